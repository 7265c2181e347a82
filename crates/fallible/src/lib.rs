#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod error;
mod karc;
mod kbox;
mod kvec;

pub use error::AllocError;
pub use karc::KArc;
pub use kbox::KBox;
pub use kvec::KVec;
