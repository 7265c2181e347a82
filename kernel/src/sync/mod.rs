//! Locks and waiting.
//!
//! A [`SpinLock`] turns interrupts off while it is held and may not be held over a switch. A
//! [`SleepLock`] is for whatever may wait for the disk. A [`WaitQueue`] is where processes wait for
//! anything else.

mod awaited;
mod held;
mod once;
pub mod rank;
mod sleep;
mod spin;
mod wait;

pub use awaited::Awaited;
pub use held::{Held, Taken};
pub use once::Once;
pub use sleep::{SleepGuard, SleepLock};
pub use spin::{LONG_SPIN, RawSpin, SpinGuard, SpinLock, contend, on_long_spin};
pub use wait::{Interrupted, WaitQueue};

use crate::arch::timer;
use core::hint;

/// Milliseconds after which [`patiently`] gives up.
const PATIENCE_MS: u64 = 100;

/// Looks again and again until there is something to see, but not for long: for those who cannot
/// wait for a lock, since its holder may be on a hart that does nothing any more.
pub fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = timer::now() + timer::frequency() * PATIENCE_MS / 1000;
    loop {
        let seen = look();
        if seen.is_some() || timer::now() > end {
            return seen;
        }
        hint::spin_loop();
    }
}
