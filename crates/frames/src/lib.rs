#![doc = include_str!("../README.md")]
#![no_std]
// The lock of a test needs it.
#![cfg_attr(not(test), forbid(unsafe_code))]

mod atomic;
mod bins;
mod buddy;
mod bulk;
mod cache;
mod compound;
mod counts;
mod error;
mod frames;
#[cfg(all(test, not(miri)))]
mod interleaved;
mod labels;
mod layout;
mod level;
mod marks;
mod pfn;
mod reclaim;
mod record;
mod references;
mod stats;
mod tag;
mod word;

pub use error::{OutOfMemory, WrongFree};
pub use frames::{Frames, MAX_CPUS};
pub use labels::{LABELS, Uses};
pub use layout::Layout;
pub use marks::Marks;
pub use pfn::{FRAME_SIZE, MAX_ORDER, Pfn, order_for};
pub use reclaim::{MAX_SHRINKERS, Shrinker};
pub use stats::Stats;
pub use tag::State;
