#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod class;
mod depot;
mod error;
mod guard;
mod karc;
mod kbox;
mod kmalloc;
mod kvec;
mod magazine;
mod pages;
mod pool;
mod stack;
mod stats;
mod supply;
mod unit;

pub use class::{CLASSES, size_for};
pub use error::{AllocError, Place, WrongFree};
pub use karc::KArc;
pub use kbox::KBox;
pub use kmalloc::Kmalloc;
pub use kvec::KVec;
pub use pages::{DirectMap, Pages};
pub use stats::{ClassStats, Stats};
