#![doc = include_str!("../README.md")]
#![no_std]

mod class;
mod descriptor;
mod descriptor_pool;
mod error;
mod kmalloc;
mod magazine;
mod object;
mod pages;
mod reclaim;
mod redzone;
mod slab_cache;
mod slow_path;
mod stack;
mod stats;

pub use class::{CLASSES, size_for};
pub use error::{Reason, WrongFree};
pub use kmalloc::Kmalloc;
pub use pages::{DirectMap, Memory, Pages, Region};
pub use stats::{ClassStats, Stats};
