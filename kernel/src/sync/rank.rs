//! The order in which spin locks are taken: only ever towards higher ranks. Builds with debug
//! assertions check it on every acquisition.

use super::{Held, Taken};

/// Who dies when memory ends.
pub const OOM: u8 = 5;
/// The table of processes.
pub const TABLE: u8 = 10;
/// Lists of objects in caches.
pub const CACHE: u8 = 15;
/// Sleepers in the order of their time.
pub const TIMER: u8 = 20;
/// A device or its buffers.
pub const DEVICE: u8 = 30;
/// kmalloc.
pub const KMALLOC: u8 = 40;
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
        DEVICE => "device or sleeping lock",
        KMALLOC => "kmalloc",
        FRAMES => "frames",
        WAIT => "wait queue",
        RUN => "run queue",
        OUTPUT => "console output",
        _ => "?",
    }
}

/// Spin locks that one hart holds at most. Only checked builds record them.
const DEPTH: usize = if cfg!(debug_assertions) { 16 } else { 0 };

/// The spin locks that one hart holds.
pub type HeldRanks = Held<DEPTH>;

/// Records an acquisition. Interrupts are off.
///
/// # Panics
/// If a lock of a higher rank is held, or too many.
pub fn push(held: &HeldRanks, taken: Taken) {
    let (rank, top) = (taken.kind, held.iter().map(|taken| taken.kind).max());
    assert!(
        top.is_none_or(|top| rank >= top),
        "lock of rank {rank} taken while one of rank {top:?} is held"
    );
    push_tried(held, taken);
}

/// Records an acquisition that did not wait: such a one closes no circle, whatever its rank.
pub fn push_tried(held: &HeldRanks, taken: Taken) {
    assert!(held.push(taken), "more than {DEPTH} spin locks held");
}

/// Records a release, in whatever order.
pub fn pop(held: &HeldRanks, lock: usize) {
    assert!(held.pop(lock), "lock {lock:#x} released but not held");
}
