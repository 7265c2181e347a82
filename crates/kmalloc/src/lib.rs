#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod class;
mod descriptor;
mod descriptor_pool;
mod error;
mod karc;
mod kbox;
mod kmalloc;
mod kvec;
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
pub use error::{AllocError, Reason, WrongFree};
pub use karc::KArc;
pub use kbox::KBox;
pub use kmalloc::Kmalloc;
pub use kvec::KVec;
pub use pages::{DirectMap, Memory, Pages, Region};
pub use stats::{ClassStats, Stats};
