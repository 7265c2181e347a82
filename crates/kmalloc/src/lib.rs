//! Kernel objects of at most one page, and containers whose allocations can fail.
//!
//! [`Kmalloc`] serves 1 to 4096 bytes from single pages of [`frames`]: slabs of 23 sizes with all
//! records outside the slabs' pages, magazines of free objects for each CPU, empty slabs given
//! back. A wrong free is caught and named. [`KBox`], [`KArc`] and [`KVec`] are on the global
//! allocator, whichever that is; a kernel builds it from the two: [`size_for`] says which objects of
//! a `Layout` are for [`Kmalloc::alloc`], and the others are blocks of frames.
#![no_std]

extern crate alloc;

mod class;
mod depot;
mod error;
mod karc;
mod kbox;
mod kmalloc;
mod kvec;
mod pages;
mod pool;
mod stack;
mod stats;
mod unit;

pub use class::{CLASSES, size_for};
pub use error::{AllocError, Place, WrongFree};
pub use karc::KArc;
pub use kbox::KBox;
pub use kmalloc::Kmalloc;
pub use kvec::KVec;
pub use pages::{DirectMap, Pages};
pub use stats::{ClassStats, Stats};
