//! The error type.

use core::fmt;

/// Out of memory. Nothing was changed.
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
