//! Paths: bytes here, zero-terminated strings for the kernel.

use crate::io::{Error, Result};
use abi::MAXPATH;

/// A zero-terminated path, built without the heap.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    bytes: [u8; MAXPATH],
}

impl Path {
    /// # Errors
    /// The path holds a zero byte, or is longer than the kernel takes.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Path> {
        let path = path.as_ref();
        if path.len() >= MAXPATH {
            return Err(Error::NameTooLong);
        }
        if path.contains(&0) {
            return Err(Error::InvalidInput);
        }
        let mut bytes = [0; MAXPATH];
        bytes[..path.len()].copy_from_slice(path);
        Ok(Path { bytes })
    }

    /// The address of the path's first byte.
    pub fn as_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }
}
