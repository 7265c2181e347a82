//! Spin locks, which turn interrupts off while they are held and may not be held over a switch, and
//! values that are set once. What waits longer sleeps (`sched`).

mod once;
pub mod rank;
mod spin;

pub use once::Once;
pub use spin::{LONG_SPIN, RawSpin, SpinGuard, SpinLock, on_long_spin};

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
