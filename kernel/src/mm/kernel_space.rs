//! The kernel's page table, whose upper half all address spaces share.
//!
//! Text is read-only and executable; nothing else is executable; read-only data is not writable. The root entries
//! of the kernel half are set at boot and never change, so each address space copies them once.

use super::ram::DirectMap;
use super::{Commit, Frame, commit};
use crate::arch::layout::{self, DEVICES, LARGE_DEVICES, STACKS, phys_to_virt};
use crate::arch::{hart, paging as mmu, sbi};
use crate::platform::{self, Platform};
use crate::sync::{Once, SpinLock, rank};
use abi::{Prot, Use};
use core::mem;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::AllocError;
use frames::{FRAME_SIZE, Pfn};
use paging::{Cursor, Entry, Leaf, Level, Tables};
use vm::Flush;

const RX: Prot = Prot::READ.union(Prot::EXEC);
const RW: Prot = Prot::READ.union(Prot::WRITE);

static ROOT: Once<Pfn> = Once::new();
/// Free addresses for devices.
struct Free {
    pages: Range<usize>,
    superpages: Range<usize>,
}

/// The lock of the tables below the root, with the free device addresses.
static TABLE: SpinLock<Free, { rank::DEVICE }> = SpinLock::new(Free {
    pages: DEVICES,
    superpages: LARGE_DEVICES,
});

/// The generation of the mappings below [`STACKS`]' root entry: each new mapping makes the next. A TLB may hold invalid
/// entries. A hart that has flushed at an earlier generation flushes at its next switch of address spaces, and before
/// it writes to a stack that another hart has mapped (see [`flush_if_stale`]).
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// The current generation of the kernel's mappings; compare [`Hart::kernel_map_generation`](hart::Hart).
pub fn generation() -> usize {
    GENERATION.load(Ordering::Acquire)
}

/// Allocates a page-table page.
fn new_table() -> Result<Frame, AllocError> {
    Frame::try_new(Use::KernelTable)
}

fn root() -> Pfn {
    *ROOT.get()
}

/// A cursor at the root's entry for an address.
fn cursor_at(address: usize) -> Cursor<DirectMap> {
    Cursor::new(DirectMap, root(), address as u64)
}

/// `satp` of the kernel's page table, which maps no user address.
pub fn satp() -> usize {
    ROOT.try_get().map_or(0, |root| mmu::satp(root.addr()))
}

/// Copies the root entries of the kernel half to the root table of an address space.
pub fn copy_kernel_half(to: Pfn) {
    DirectMap.copy_upper_half(root(), to);
}

/// Builds the kernel's page table and loads it on this hart.
pub fn init(platform: &Platform) {
    let root = boot_frame();
    ROOT.set(root);
    cursor_at(STACKS).slot().set(Entry::Branch(boot_frame()));
    for ram in platform.ram() {
        map_ram(*ram);
    }
    activate();
}

fn boot_frame() -> Pfn {
    match Frame::try_new_zeroed(Use::KernelTable) {
        Ok(frame) => frame.into_pfn(),
        Err(_) => panic!("no memory for the kernel's page table"),
    }
}

/// Loads the kernel's page table on this hart.
pub fn activate() {
    hart::this().satp.set(satp());
    // SAFETY: it maps the kernel as the boot table does, with fewer rights.
    unsafe { mmu::load(satp(), Flush::All) };
}

/// Maps RAM in the direct map, in pages as large as possible.
fn map_ram(ram: platform::Range) {
    let image = layout::image();
    let cuts = [image.text, image.etext, image.erodata];
    let mut physical = ram.start.next_multiple_of(FRAME_SIZE as u64);
    while physical + FRAME_SIZE as u64 <= ram.end {
        let address = phys_to_virt(physical);
        let fits = |level: &Level| {
            let size = level.entry_span() as usize;
            let whole = address..address + size;
            physical.is_multiple_of(size as u64)
                && address.is_multiple_of(size)
                && physical + size as u64 <= ram.end
                && !cuts
                    .iter()
                    .any(|cut| whole.contains(cut) && *cut != address)
        };
        let level = Level::all().rfind(fits).unwrap_or(Level::LEAF);
        let prot = match address {
            a if (image.text..image.etext).contains(&a) => RX,
            a if (image.etext..image.erodata).contains(&a) => Prot::READ,
            _ => RW,
        };
        if map(address, physical, prot, level, new_table).is_err() {
            panic!("no memory for the kernel's page table");
        }
        physical += level.entry_span();
    }
}

/// Sets one leaf entry of the given level; `new_table` allocates missing tables.
fn map(
    address: usize,
    physical: u64,
    prot: Prot,
    level: Level,
    mut new_table: impl FnMut() -> Result<Frame, AllocError>,
) -> Result<(), AllocError> {
    let mut cursor = cursor_at(address);
    cursor.alloc_tables(level, || Ok(new_table()?.into_pfn()))?;
    let leaf = Leaf::kernel(Pfn::from_addr(physical), prot);
    cursor.slot().set(Entry::Leaf(leaf));
    Ok(())
}

/// Maps device registers; returns their address. They are never unmapped.
pub fn map_device(physical: u64, size: u64) -> Result<usize, AllocError> {
    let mut free = TABLE.lock();
    let (level, free) = match size < Level::SUPERPAGE.entry_span() {
        true => (Level::LEAF, &mut free.pages),
        false => (Level::SUPERPAGE, &mut free.superpages),
    };
    let span = level.entry_span();
    let start = physical / span * span;
    let length = ((physical + size).next_multiple_of(span) - start) as usize;
    if length > free.len() {
        return Err(AllocError);
    }
    let base = free.start;
    free.start += length;
    for offset in (0..length).step_by(span as usize) {
        let physical = start + offset as u64;
        map(base + offset, physical, RW, level, new_table)?;
    }
    mmu::flush_all();
    Ok(base + (physical - start) as usize)
}

/// Maps contiguous pages, all in one leaf table; on failure none is mapped.
///
/// # Safety
/// The addresses are the caller's, and map nothing.
pub unsafe fn map_pages<const N: usize>(
    address: usize,
    pages: [Frame; N],
) -> Result<(), AllocError> {
    // SAFETY: the caller's promise; the pages are its own.
    unsafe { map_physical(address, &pages.each_ref().map(|page| page.pfn().addr())) }?;
    // The table has them now.
    pages.into_iter().for_each(|page| _ = page.into_pfn());
    Ok(())
}

/// As [`map_pages`], for memory that is not the allocator's.
///
/// # Safety
/// The addresses are the caller's, and map nothing; so is the memory.
#[inline(never)]
pub unsafe fn map_physical(address: usize, pages: &[u64]) -> Result<(), AllocError> {
    // Nothing is allocated while the tables are locked: shrinkers take locks of lower rank.
    let commit = Commit::try_new(1)?;
    let mut spare = Some(new_table()?);
    let tables = TABLE.lock();
    for (i, &page) in pages.iter().enumerate() {
        let place = address + i * FRAME_SIZE;
        map(place, page, RW, Level::LEAF, || {
            spare.take().ok_or(AllocError)
        })?;
    }
    drop(tables);
    if spare.is_none() {
        mem::forget(commit);
    }
    {
        let _irq = hart::irq_save();
        let before = GENERATION.fetch_add(1, Ordering::Release);
        mmu::flush_all();
        let seen = &hart::this().kernel_map_generation;
        if seen.get() == before {
            seen.set(before + 1);
        }
    }
    drop(spare);
    Ok(())
}

/// Flushes this hart's TLB if the kernel's mappings have changed since its last full flush: the TLB may hold
/// invalid entries for addresses that other harts have mapped. Needed before this hart uses such a mapping, unless
/// it switches address spaces first.
pub fn flush_if_stale() {
    let _irq = hart::irq_save();
    let generation = generation();
    if hart::this().kernel_map_generation.replace(generation) != generation {
        mmu::flush_all();
    }
}

/// Unmaps `count` pages from `address` on, all in one leaf table, on all harts, and frees them, and the table if it
/// is empty then. Returns false, with nothing done, if the tables are locked: shrinkers call this from within an
/// allocation.
///
/// # Safety
/// [`map_pages`] has mapped the pages, and nobody uses them any more.
pub unsafe fn try_unmap_pages(address: usize, count: usize) -> bool {
    let Some(_table) = TABLE.try_lock() else {
        return false;
    };
    let mut removed = [const { None }; layout::STACK_SIZE / FRAME_SIZE];
    let mut next = removed.iter_mut();
    clear(address, count, |frame| {
        if let Some(place) = next.next() {
            *place = Some(frame);
        }
    });
    let emptied = take_empty_table(address);
    // A fence for an address range need not flush cached pointers to tables; a full one does.
    match emptied {
        Some(_) => flush_everywhere(0, usize::MAX),
        None => flush_everywhere(address, count * FRAME_SIZE),
    }
    // Freed after the flush, when no hart can access them.
    drop(removed);
    drop(emptied);
    true
}

/// Unlinks the leaf table of this address if it is empty.
fn take_empty_table(address: usize) -> Option<Frame> {
    let leaf = cursor_at(address).look_up(Level::LEAF);
    if leaf.level() != Level::LEAF || !DirectMap.is_empty(leaf.table(), Level::LEAF, leaf.addr()) {
        return None;
    }
    cursor_at(address).look_up(Level::SUPERPAGE).slot().take();
    commit::sub(1);
    // SAFETY: the reference was the parent table's, whose entry was cleared just now.
    Some(unsafe { Frame::from_pfn(leaf.table()) })
}

fn clear(address: usize, count: usize, mut each: impl FnMut(Frame)) {
    for i in 0..count {
        let cursor = cursor_at(address + i * FRAME_SIZE).look_up(Level::LEAF);
        if cursor.level() == Level::LEAF
            && let Entry::Leaf(leaf) = cursor.slot().take()
        {
            // SAFETY: the reference was the entry's, from `map_pages`, and the entry was cleared just now.
            each(unsafe { Frame::from_pfn(leaf.pfn()) });
        }
    }
}

fn flush_everywhere(address: usize, size: usize) {
    mmu::flush_all();
    let here = hart::this().index();
    let others = hart::all().iter().filter(|other| other.index() != here);
    sbi::remote_fence(&mut others.map(hart::Hart::id), address, size);
}
