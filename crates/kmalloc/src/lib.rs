//! Kernel objects of at most one page, and containers whose allocations can fail.
#![no_std]

extern crate alloc;

mod karc;
mod kbox;
mod kvec;

pub use karc::KArc;
pub use kbox::KBox;
pub use kvec::KVec;

use core::fmt;

/// There is no memory for it. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for AllocError {}

#[cfg(feature = "abi")]
impl From<AllocError> for abi::Errno {
    fn from(_: AllocError) -> abi::Errno {
        abi::Errno::NoMemory
    }
}
