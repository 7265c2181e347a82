//! Lock ranks: a hart acquires spin locks in ascending order of rank. Builds with debug assertions check every
//! acquisition.

use crate::arch::hart::{HeldSpinLocks, LOCK_DEPTH};
use crate::arch::held_locks::HeldLock;
use crate::symbols::Symbol;

/// Victims of the out-of-memory killer.
pub const OOM: u8 = 5;
/// The process table.
pub const TABLE: u8 = 10;
/// The list of inodes; the kernel stacks.
pub const CACHE: u8 = 15;
/// Threads with a timeout.
pub const TIMER: u8 = 20;
/// The entries of a page table; which page table an `Mm` has.
pub const ENTRIES: u8 = 25;
/// Page-table pages that several address spaces share.
pub const SHARED_TABLE: u8 = 27;
/// A device or its buffers; the state of a sleeping lock.
pub const DEVICE: u8 = 30;
/// A size class of kmalloc.
pub const KMALLOC: u8 = 40;
/// The list of superpage reservations.
pub const RESERVE: u8 = 45;
/// kmalloc's page reserve.
pub const KMALLOC_RESERVE: u8 = 46;
/// The frame allocator.
pub const FRAMES: u8 = 50;
/// A wait queue.
pub const WAIT: u8 = 60;
/// A run queue.
pub const RUN: u8 = 70;
/// Console output: anything may print.
pub const OUTPUT: u8 = 80;

/// The name of a rank, for messages.
pub fn name(rank: u8) -> &'static str {
    match rank {
        OOM => "out of memory",
        TABLE => "process table",
        CACHE => "inodes or kernel stacks",
        TIMER => "timeouts",
        ENTRIES => "page-table entries",
        SHARED_TABLE => "shared page table",
        DEVICE => "device or sleeping lock",
        KMALLOC => "kmalloc",
        RESERVE => "list of reservations",
        KMALLOC_RESERVE => "kmalloc's page reserve",
        FRAMES => "frames",
        WAIT => "wait queue",
        RUN => "run queue",
        OUTPUT => "console output",
        _ => "?",
    }
}

/// Whether a hart may hold several locks of this rank; it acquires them in ascending order of address.
const fn ordered_by_address(rank: u8) -> bool {
    // A CPU's cache, then the buddy allocator, see `frames::Frames`.
    rank == FRAMES
}

/// Records that the hart is about to acquire a lock. Interrupts are disabled.
///
/// # Panics
/// If the hart holds the lock already, or one of a higher rank, or too many locks.
pub fn push(held: &HeldSpinLocks, taken: HeldLock) {
    for before in held.iter() {
        let ordered = match taken.kind == before.kind {
            true => ordered_by_address(taken.kind) && taken.lock > before.lock,
            false => taken.kind > before.kind,
        };
        if !ordered {
            report_violation(taken, before);
        }
    }
    push_trylock(held, taken);
}

#[cold]
fn report_violation(taken: HeldLock, before: HeldLock) -> ! {
    let (wanted, at) = (name(taken.kind), Symbol(taken.at));
    let (other, since) = (name(before.kind), Symbol(before.at));
    if taken.lock == before.lock {
        panic!("lock of {wanted} taken twice on one hart: in{since}, and again in{at}");
    }
    panic!(
        "lock of {wanted} ({}) wanted in{at} while that of {other} ({}), taken in{since}, is held",
        taken.kind, before.kind
    );
}

/// Records a successful `try_lock`. It did not wait, so it cannot deadlock and may be of any rank.
///
/// # Panics
/// If the hart holds too many locks.
pub fn push_trylock(held: &HeldSpinLocks, taken: HeldLock) {
    assert!(held.push(taken), "more than {LOCK_DEPTH} spin locks held");
}

/// Records a release; locks may be released in any order.
///
/// # Panics
/// If the hart does not hold the lock.
pub fn pop(held: &HeldSpinLocks, lock: usize) {
    assert!(held.pop(lock), "lock {lock:#x} released but not held");
}
