//! Path arguments.

use crate::mm::user;
use abi::{Errno, MAXPATH};

/// A path copied out of user memory.
pub struct Path {
    bytes: [u8; MAXPATH],
    length: usize,
}

impl Path {
    /// Copies the path at a user address.
    ///
    /// # Errors
    /// `BadAddress` if it is longer than `MAXPATH` or cannot be read.
    pub fn read(address: u64) -> Result<Path, Errno> {
        let mut bytes = [0; MAXPATH];
        let length = user::read_string(address, &mut bytes)?.len();
        Ok(Path { bytes, length })
    }

    /// The bytes, without the zero byte.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
