//! Memory statistics for the system call `meminfo`.

use crate::arch::{hart, layout};
use crate::fs;
use crate::mm::ram::{frames, record_pages, total_pages};
use crate::mm::{commit, heap, kernel_space, stack};
use crate::proc::TABLE;
use crate::space::reserve;
use abi::{Errno, Event, MemInfo, MemInfoFlags, PAGE_SIZE, SlabInfo};

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
    info.reservations = reserve::count() as u64;
    info.free = stats.free as u64 + info.reservations;
    info.large_pages = frames.compound_blocks() as u64;
    info.pressed = stats.pressed as u64;
    info.failed = stats.failed as u64;
    info.cached = stats.reclaimable as u64;
    info.cpu_cached = stats.cached.iter().sum::<usize>() as u64;
    info.least_free = stats.least_free as u64;
    info.reserved = total_pages() - info.total;
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
    info.slab = stats.pages() as u64 + info.slab_reserve;
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

/// Counts pages by use. The counts are not a snapshot: others allocate meanwhile.
#[inline(never)]
fn add_uses(info: &mut MemInfo) {
    let image = layout::image();
    info.image = (image.end - image.text).div_ceil(PAGE_SIZE) as u64;
    info.frame_records = record_pages();
    info.kernel_tables = kernel_space::page_tables() as u64;
    info.stacks = stack::pages() as u64;
    info.kernel_blocks = heap::block_pages() as u64;
    info.file_pages = fs::pages() as u64;
    {
        let table = TABLE.lock();
        info.processes = table.count() as u64;
        table.for_each(|process, _| info.page_tables += process.mm().page_tables() as u64);
    }
    let named = info.slab
        + info.kernel_tables
        + info.page_tables
        + info.stacks
        + info.kernel_blocks
        + info.file_pages;
    info.anonymous = info.total.saturating_sub(info.free + named);
}

/// Shrinks all caches. Twice, because an object that one cache drops (an inode) may empty a page of another (a slab)
/// that has been shrunk before.
fn drop_caches() {
    for _ in 0..2 {
        frames().shrink_all();
    }
}
