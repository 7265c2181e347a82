//! Memory statistics for the system call `meminfo`.

use crate::arch::hart;
use crate::fs;
use crate::mm::ram::{self, frames};
use crate::mm::{commit, heap};
use crate::proc::TABLE;
use abi::{Errno, Event, MemInfo, MemInfoFlags, SlabInfo, Use};

/// Collects the statistics; with `DROP_CACHES` after shrinking all caches.
#[inline(never)]
pub fn collect(flags: MemInfoFlags) -> Result<MemInfo, Errno> {
    if flags.contains(MemInfoFlags::DROP_CACHES) {
        drop_caches();
    }
    let mut info = MemInfo {
        version: MemInfo::VERSION,
        ..MemInfo::default()
    };
    if flags.contains(MemInfoFlags::DISK) {
        let mut fs = fs::lock();
        info.disk_free = u64::from(fs.free_blocks()?);
        info.disk_inodes = u64::from(fs.free_inodes()?);
    }
    let frames = frames();
    info.total = frames.total() as u64;
    let stats = frames.stats();
    info.large_pages = frames.compound_blocks() as u64;
    info.stalls = stats.stalls as u64;
    info.failed = stats.failed as u64;
    info.cached = stats.reclaimable as u64;
    info.least_free = stats.least_free as u64;
    info.committed = commit::committed();
    info.commit_limit = commit::limit().unwrap_or(0);
    for (to, count) in info.blocks.iter_mut().zip(stats.blocks) {
        *to = count as u64;
    }
    info.harts = hart::count() as u64;
    info.waited = hart::wait_instructions();
    info.files = fs::open_files() as u64;
    info.pipes = fs::pipes() as u64;
    info.inodes = fs::inode_count() as u64;
    info.processes = TABLE.lock().count() as u64;
    add_heap(&mut info);
    add_uses(&mut info);
    for &event in Event::ALL {
        info.events[event as usize] = hart::event_count(event);
    }
    Ok(info)
}

#[inline(never)]
fn add_heap(info: &mut MemInfo) {
    let stats = heap::stats();
    info.slab_reserve = heap::reserve_pages() as u64;
    info.objects = stats.live() as u64;
    info.whole = stats.page_objects as u64;
    info.records = stats.descriptor_pages as u64;
    const { assert!(kmalloc::CLASSES <= abi::SLAB_CLASSES) };
    for (to, class) in info.classes.iter_mut().zip(stats.classes) {
        *to = SlabInfo {
            size: class.size as u32,
            slabs: class.slabs as u32,
            live: class.live as u32,
            cached: class.cached as u32,
            free: class.free as u32,
        };
    }
}

/// Pages by use, from one walk over the frame records.
#[inline(never)]
fn add_uses(info: &mut MemInfo) {
    info.uses = ram::uses();
    let of = |what: Use| info.uses[what as usize];
    let sum = |among: fn(Use) -> bool| -> u64 {
        let uses = Use::ALL.iter().filter(|&&what| among(what));
        uses.map(|&what| of(what)).sum()
    };
    let (free, reserved) = (sum(Use::is_free), sum(Use::is_reserved));
    let anonymous = of(Use::Anonymous) + of(Use::Shared);
    (info.image, info.frame_records) = (of(Use::Image), of(Use::Records));
    (info.kernel_tables, info.page_tables) = (of(Use::KernelTable), of(Use::PageTable));
    (info.stacks, info.kernel_blocks) = (of(Use::Stack), of(Use::Kernel));
    (info.slab, info.file_pages) = (of(Use::Slab), of(Use::File));
    (info.reservations, info.cpu_cached) = (of(Use::Reserved), of(Use::Cached));
    (info.free, info.reserved, info.anonymous) = (free, reserved, anonymous);
}

/// Shrinks all caches. Twice, because an object that one cache drops (an inode) may empty a page of another (a slab)
/// that has been shrunk before.
fn drop_caches() {
    for _ in 0..2 {
        frames().shrink_all();
    }
}
