//! Locks and waiting.
//!
//! A [`SpinLock`] turns interrupts off while it is held and may not be held over a switch. A
//! [`SleepLock`] is for whatever may wait for the disk. A [`WaitQueue`] is where processes wait for
//! anything else.

mod once;
pub mod rank;
mod sleep;
mod spin;
mod wait;

pub use once::Once;
pub use sleep::{SleepGuard, SleepLock};
pub use spin::{RawSpin, SpinGuard, SpinLock};
pub use wait::{Interrupted, WaitQueue};
