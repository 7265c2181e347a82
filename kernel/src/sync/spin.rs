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
        hart::enter();
        if cfg!(debug_assertions) {
            hart::this().ranks.push(RANK);
        }
        while self.locked.swap(true, Ordering::Acquire) {
            while self.locked.load(Ordering::Relaxed) {
                hint::spin_loop();
            }
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        hart::enter();
        if self.locked.swap(true, Ordering::Acquire) {
            hart::leave();
            return false;
        }
        if cfg!(debug_assertions) {
            hart::this().ranks.push_tried(RANK);
        }
        true
    }

    #[inline]
    unsafe fn unlock(&self) {
        if cfg!(debug_assertions) {
            hart::this().ranks.pop(RANK);
        }
        self.locked.store(false, Ordering::Release);
        hart::leave();
    }
}
