//! What a system call is given: registers, and places in user memory that they name.

use crate::{Errno, USER_TOP};
use bitflags::Flags;

/// A call's arguments, as its registers have them.
#[derive(Clone, Copy, Debug)]
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

    /// Flags in a C `int`. A bit that no flag has is refused.
    pub fn flags<const N: usize, F: Flags<Bits = u32>>(&self) -> Result<F, Errno> {
        F::from_bits(self.address::<N>() as u32).ok_or(Errno::Invalid)
    }
}

/// A range of user memory that a program has named. It lies below [`USER_TOP`]; what is there, if
/// anything, nobody has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSpan {
    start: u64,
    length: usize,
}

impl UserSpan {
    /// `length` bytes at `start`. No bytes may be named by any address.
    pub fn new(start: u64, length: usize) -> Result<UserSpan, Errno> {
        if length == 0 {
            return Ok(UserSpan { start: 0, length });
        }
        let end = start.checked_add(length as u64).ok_or(Errno::BadAddress)?;
        if end > USER_TOP {
            Err(Errno::BadAddress)
        } else {
            Ok(UserSpan { start, length })
        }
    }

    /// `count` records of `size` bytes at `start`.
    pub fn array(start: u64, count: usize, size: u64) -> Result<UserSpan, Errno> {
        let size = usize::try_from(size).map_err(|_| Errno::Invalid)?;
        UserSpan::new(start, count.checked_mul(size).ok_or(Errno::BadAddress)?)
    }

    /// Up to `most` bytes at `start`: as many as there can be.
    pub fn up_to(start: u64, most: usize) -> Result<UserSpan, Errno> {
        let room = USER_TOP.checked_sub(start).ok_or(Errno::BadAddress)?;
        let length = most.min(usize::try_from(room).unwrap_or(usize::MAX));
        Ok(UserSpan { start, length })
    }

    /// The first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Bytes in the range.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// The part from byte `from` on, `length` bytes at the most.
    pub fn part(&self, from: usize, length: usize) -> UserSpan {
        let from = from.min(self.length);
        UserSpan {
            start: self.start + from as u64,
            length: length.min(self.length - from),
        }
    }
}
