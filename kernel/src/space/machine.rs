//! The crate `vm` on this machine.

use super::reservations;
use crate::arch::hart;
use crate::fs::TextFile;
use crate::mm::ram::{self, DirectMap, Frame, address_of, frames};
use crate::mm::{Machine, asid, commit, kernel_space};
use crate::sched::ObjectLock;
use crate::sync::{Once, RawSpin, SpinLock, rank};
use abi::{Event, Use};
use frames::{FRAME_SIZE, Pfn, Shrinker, WrongFree};
use paging::{Table, Tables};
use vm::{AddressSpace, Flush, Reservations};

/// An address space of a process.
pub type Space = AddressSpace<Machine>;

/// Its page table.
pub type PageTable = vm::PageTable<Machine>;

/// Locks of shared leaf tables, by frame number.
static TABLE_LOCKS: [SpinLock<(), { rank::SHARED_TABLE }>; 64] = [const { SpinLock::new(()) }; 64];

static ZERO_PAGE: Once<Pfn> = Once::new();

/// Allocates the zero page.
pub fn init() {
    match Frame::try_new_zeroed(Use::Kernel) {
        Ok(frame) => ZERO_PAGE.set(frame.into_pfn()),
        Err(_) => panic!("no memory for the zero page"),
    }
}

/// Frames of a large page: `1 << 9`.
const LARGE_ORDER: usize = 9;

/// Unwraps a result of the allocator for a frame of an address space.
///
/// # Panics
/// If the frame is not in use: memory is corrupted.
fn checked<T>(result: Result<T, WrongFree>) -> T {
    match result {
        Ok(result) => result,
        Err(error) => panic!("{error}"),
    }
}

impl Tables for Machine {
    #[inline]
    fn table(&self, pfn: Pfn) -> &Table {
        DirectMap.table(pfn)
    }
}

impl vm::Files for Machine {
    type File = TextFile;
}

// SAFETY: `table` and the copying functions reach frames through the direct map, which has all RAM
// at all times; frames come from and go to the allocator, which gives each to one owner.
unsafe impl vm::Machine for Machine {
    type ObjectLock = ObjectLock;
    type EntriesLock = RawSpin<{ rank::ENTRIES }>;
    type TableLock = RawSpin<{ rank::SHARED_TABLE }>;
    type Context = asid::Context;

    fn table_lock(&self, table: Pfn) -> &SpinLock<(), { rank::SHARED_TABLE }> {
        &TABLE_LOCKS[table.get() as usize % TABLE_LOCKS.len()]
    }

    fn new_context(&self, root: Pfn) -> asid::Context {
        asid::Context::new(root)
    }

    fn alloc(&self) -> Option<Pfn> {
        ram::alloc(0, Use::Anonymous)
    }

    fn alloc_zeroed(&self) -> Option<Pfn> {
        Frame::try_new_zeroed(Use::Anonymous)
            .ok()
            .map(Frame::into_pfn)
    }

    fn label(&self, pfn: Pfn, what: Use) {
        frames().label(pfn, what as u8);
    }

    fn relabel(&self, pfn: Pfn, what: Use) {
        frames().relabel(pfn, what as u8);
    }

    fn retain(&self, pfn: Pfn) {
        ram::retain(pfn);
    }

    fn release(&self, pfn: Pfn) {
        // SAFETY: the caller has the reference, as `vm` promises for what it got by `alloc` and `retain`.
        unsafe { ram::release(pfn) };
    }

    fn is_unique(&self, pfn: Pfn) -> bool {
        frames().refs(pfn) == 1
    }

    fn release_unless_last(&self, pfn: Pfn) -> bool {
        checked(frames().release_unless_last(pfn))
    }

    fn alloc_large(&self) -> Option<Pfn> {
        let block = frames().try_alloc(LARGE_ORDER)?;
        frames().label(block, Use::Anonymous as u8);
        Some(block)
    }

    fn retain_large(&self, block: Pfn) {
        checked(frames().retain_block(block, LARGE_ORDER));
    }

    fn release_large(&self, block: Pfn) {
        checked(frames().release_block(ram::cpu(), block, LARGE_ORDER));
    }

    fn is_unique_large(&self, block: Pfn) -> bool {
        frames().is_block_unique(block, LARGE_ORDER)
    }

    fn split_large(&self, block: Pfn) {
        checked(frames().split(block, LARGE_ORDER));
    }

    fn reservations<R>(&self, act: impl FnOnce(&mut Reservations) -> R) -> Option<R> {
        Some(reservations::with(act))
    }

    fn join_large(&self, block: Pfn) -> bool {
        checked(frames().join(block, LARGE_ORDER))
    }

    fn commit(&self, frames: u64) -> bool {
        commit::add(frames)
    }

    fn uncommit(&self, frames: u64) {
        commit::sub(frames);
    }

    fn zero_page(&self) -> Pfn {
        *ZERO_PAGE.get()
    }

    fn copy_page(&self, from: Pfn, to: Pfn) {
        let (from, to) = (address_of(from) as *const u64, address_of(to) as *mut u64);
        // SAFETY: two different frames of the direct map; `to` is the caller's alone.
        unsafe { core::ptr::copy_nonoverlapping(from, to, FRAME_SIZE / 8) };
    }

    fn clear_tail(&self, pfn: Pfn, from: usize) {
        if from == 0 {
            // SAFETY: a frame that is the caller's alone.
            return unsafe { ram::zero(pfn) };
        }
        let from = from.min(FRAME_SIZE);
        let start = (address_of(pfn) + from) as *mut u8;
        // SAFETY: the bytes up to the end of a frame that is the caller's alone.
        unsafe { core::ptr::write_bytes(start, 0, FRAME_SIZE - from) };
    }

    fn init_root(&self, root: Pfn) {
        kernel_space::copy_kernel_half(root);
    }

    fn shoot_down(&self, context: &asid::Context, stale: Flush) {
        asid::shoot_down(context, stale);
    }

    fn flush_here(&self, context: &asid::Context, stale: Flush) {
        asid::flush_here(context, stale);
    }

    #[inline]
    fn count_event(&self, event: Event) {
        hart::note(event);
    }
}

/// The shrinker of reservations.
struct Reserved;

static SHRINKER: Reserved = Reserved;

impl Shrinker for Reserved {
    /// Waits for the lock: otherwise an allocation would fail while unclaimed frames are free.
    fn shrink(&self, _wanted: usize) -> usize {
        reservations::reclaim(|pfn| vm::Machine::release(&Machine, pfn))
    }

    /// Zero: they are counted as free.
    fn reclaimable(&self) -> usize {
        0
    }
}

/// Registers the shrinker.
pub fn init_reserve() {
    frames().register_shrinker(&SHRINKER);
}
