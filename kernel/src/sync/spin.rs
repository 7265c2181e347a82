//! Spin locks: interrupts are off while one is held, so an interrupt never waits for its own hart.

use crate::arch::hart;
use core::hint;
use core::sync::atomic::{AtomicBool, Ordering};
use lock_api::{GuardNoSend, Mutex, MutexGuard, RawMutex};

/// The lock itself. `RANK` is its place in the order of [`super::rank`].
pub struct RawSpin<const RANK: u8> {
    locked: AtomicBool,
}

/// A value behind a spin lock.
pub type SpinLock<T, const RANK: u8> = Mutex<RawSpin<RANK>, T>;
/// The right to use the value.
pub type SpinGuard<'a, T, const RANK: u8> = MutexGuard<'a, RawSpin<RANK>, T>;

// SAFETY: `locked` goes from false to true by one atomic exchange, so one holder has it at a time.
unsafe impl<const RANK: u8> RawMutex for RawSpin<RANK> {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "how lock_api makes new locks"
    )]
    const INIT: Self = RawSpin {
        locked: AtomicBool::new(false),
    };
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        if cfg!(debug_assertions) {
            return lock_checked(&self.locked, RANK);
        }
        hart::enter();
        acquire(&self.locked);
    }

    #[inline]
    fn try_lock(&self) -> bool {
        if cfg!(debug_assertions) {
            return try_lock_checked(&self.locked, RANK);
        }
        hart::enter();
        try_acquire(&self.locked)
    }

    #[inline]
    unsafe fn unlock(&self) {
        if cfg!(debug_assertions) {
            return unlock_checked(&self.locked, RANK);
        }
        release(&self.locked);
    }
}

#[inline(always)]
fn acquire(locked: &AtomicBool) {
    while locked.swap(true, Ordering::Acquire) {
        while locked.load(Ordering::Relaxed) {
            hint::spin_loop();
        }
    }
}

/// Interrupts are off; they stay off only if the lock was taken.
#[inline(always)]
fn try_acquire(locked: &AtomicBool) -> bool {
    let taken = !locked.swap(true, Ordering::Acquire);
    if !taken {
        hart::leave();
    }
    taken
}

#[inline(always)]
fn release(locked: &AtomicBool) {
    locked.store(false, Ordering::Release);
    hart::leave();
}

// With the checks of ranks the operations are long: they stand in the image once, and not at each
// place that locks.

#[inline(never)]
fn lock_checked(locked: &AtomicBool, rank: u8) {
    hart::enter();
    hart::this().ranks.push(rank);
    acquire(locked);
}

#[inline(never)]
fn try_lock_checked(locked: &AtomicBool, rank: u8) -> bool {
    hart::enter();
    let taken = try_acquire(locked);
    if taken {
        hart::this().ranks.push_tried(rank);
    }
    taken
}

#[inline(never)]
fn unlock_checked(locked: &AtomicBool, rank: u8) {
    hart::this().ranks.pop(rank);
    release(locked);
}
