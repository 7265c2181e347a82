//! Sleeping.

use abi::TICKS_PER_SECOND;
use core::time::Duration;

/// Sleeps for at least this long, rounded up to ticks.
pub fn sleep(duration: Duration) {
    let ticks = duration
        .as_millis()
        .div_ceil(1000 / u128::from(TICKS_PER_SECOND));
    sleep_ticks(usize::try_from(ticks).unwrap_or(usize::MAX));
}

/// Sleeps for this many ticks.
pub fn sleep_ticks(ticks: usize) {
    crate::sys::sleep(ticks);
}
