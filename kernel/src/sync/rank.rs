//! The order in which spin locks are taken: only ever towards higher ranks. Builds with debug
//! assertions check it on every acquisition.

use crate::arch::hart::{HeldSpinLocks, LOCK_DEPTH};
use crate::arch::held_locks::HeldLock;
use crate::symbols::Place;

/// Who dies when memory ends.
pub const OOM: u8 = 5;
/// The table of processes.
pub const TABLE: u8 = 10;
/// Lists of objects in caches.
pub const CACHE: u8 = 15;
/// Sleepers in the order of their time.
pub const TIMER: u8 = 20;
/// The entries of a page table; which one an address space has.
pub const ENTRIES: u8 = 25;
/// A device or its buffers.
pub const DEVICE: u8 = 30;
/// The disk's bounce buffers.
pub const BOUNCE: u8 = 35;
/// kmalloc.
pub const KMALLOC: u8 = 40;
/// Memory set aside for large pages.
pub const RESERVE: u8 = 45;
/// The pages kept for kmalloc.
pub const KEPT: u8 = 46;
/// The frame allocator.
pub const FRAMES: u8 = 50;
/// A queue of waiting processes.
pub const WAIT: u8 = 60;
/// A queue of runnable processes.
pub const RUN: u8 = 70;
/// Console output: anything may print.
pub const OUTPUT: u8 = 80;

/// What locks of a rank are for.
pub fn name(rank: u8) -> &'static str {
    match rank {
        OOM => "end of memory",
        TABLE => "process table",
        CACHE => "list of a cache",
        TIMER => "sleepers",
        ENTRIES => "page-table entries",
        DEVICE => "device or sleeping lock",
        BOUNCE => "bounce buffers",
        KMALLOC => "kmalloc",
        RESERVE => "memory set aside",
        KEPT => "pages kept for kmalloc",
        FRAMES => "frames",
        WAIT => "wait queue",
        RUN => "run queue",
        OUTPUT => "console output",
        _ => "?",
    }
}

/// True for ranks with several locks that are held together: these are taken in ascending order of
/// address. Of any other rank a hart holds one lock at a time.
const fn by_address(rank: u8) -> bool {
    // A CPU's cache, then the buddy allocator, see `frames::Frames`.
    rank == FRAMES
}

/// Records that a lock is about to be taken. Interrupts are off.
///
/// # Panics
/// If the hart holds the lock already, or one that comes after it, or too many.
pub fn push(held: &HeldSpinLocks, taken: HeldLock) {
    for before in held.iter() {
        let ordered = match taken.kind == before.kind {
            true => by_address(taken.kind) && taken.lock > before.lock,
            false => taken.kind > before.kind,
        };
        if !ordered {
            refuse(taken, before);
        }
    }
    push_tried(held, taken);
}

#[cold]
fn refuse(taken: HeldLock, before: HeldLock) -> ! {
    let (wanted, at) = (name(taken.kind), Place(taken.at));
    let (other, since) = (name(before.kind), Place(before.at));
    if taken.lock == before.lock {
        panic!("lock of {wanted} taken twice on one hart: in{since}, and again in{at}");
    }
    panic!(
        "lock of {wanted} ({}) wanted in{at} while that of {other} ({}), taken in{since}, is held",
        taken.kind, before.kind
    );
}

/// Records an acquisition that did not wait: such a one closes no circle, whatever its rank.
pub fn push_tried(held: &HeldSpinLocks, taken: HeldLock) {
    assert!(held.push(taken), "more than {LOCK_DEPTH} spin locks held");
}

/// Records a release, in whatever order.
pub fn pop(held: &HeldSpinLocks, lock: usize) {
    assert!(held.pop(lock), "lock {lock:#x} released but not held");
}
