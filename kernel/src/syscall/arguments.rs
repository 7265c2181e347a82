//! What a call is given: registers, and paths that they point to.

use crate::mm::user;
use abi::{Errno, MAXPATH};

/// A call's arguments, as its registers have them.
pub struct Arguments([u64; 6]);

impl Arguments {
    /// What the registers `a0` to `a5` hold.
    pub fn new(registers: [u64; 6]) -> Arguments {
        Arguments(registers)
    }

    /// An address or another whole register.
    pub fn address<const N: usize>(&self) -> u64 {
        const { assert!(N < 6) };
        self.0[N]
    }

    /// A C `int`: the lower half of the register.
    pub fn int<const N: usize>(&self) -> i32 {
        self.address::<N>() as i32
    }

    /// A length in bytes that C declares as `int`, which the caller extends to the whole register:
    /// negative ones and what no `int` holds are refused.
    pub fn length<const N: usize>(&self) -> Result<usize, Errno> {
        let length = i32::try_from(self.address::<N>() as i64).map_err(|_| Errno::Invalid)?;
        usize::try_from(length).map_err(|_| Errno::Invalid)
    }
}

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
