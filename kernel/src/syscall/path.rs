//! Paths that a call is given.

use crate::mm::user;
use abi::{Errno, MAXPATH};

/// A path copied out of user memory.
pub struct Path {
    bytes: [u8; MAXPATH],
    length: usize,
}

impl Path {
    /// Copies the string at an address.
    pub fn read(address: u64) -> Result<Path, Errno> {
        let mut bytes = [0; MAXPATH];
        let length = user::read_string(address, &mut bytes)?.len();
        Ok(Path { bytes, length })
    }

    /// The bytes, without the zero at their end.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
