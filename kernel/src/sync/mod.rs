//! Spin locks, which disable interrupts and may not be held over a context switch, and values that are set
//! once. Sleeping locks are in `sched`.

mod once;
pub mod rank;
mod spin;

pub use once::Once;
pub use spin::{LONG_SPIN, RawSpin, SpinGuard, SpinLock, on_long_spin};

use crate::arch::timer;
use core::hint;

/// Milliseconds until [`poll_timeout`] gives up.
const POLL_TIMEOUT_MS: u64 = 100;

/// Calls `poll` until it returns a value, for at most 100 ms. For state dumps, which must not wait for a lock
/// for ever, since its holder may be stuck.
pub fn poll_timeout<T>(mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let end = timer::now() + timer::frequency() * POLL_TIMEOUT_MS / 1000;
    loop {
        let result = poll();
        if result.is_some() || timer::now() > end {
            return result;
        }
        hint::spin_loop();
    }
}
