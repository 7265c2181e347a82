//! Copies between the kernel and the memory of the running process.

use crate::arch::{hart, usercopy};
use abi::{Errno, UserSpan};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A range of memory of the running process. Only its place was checked, not its content: every copy
/// may still fail.
#[derive(Clone, Copy, Debug)]
pub struct UserRange(UserSpan);

impl UserRange {
    /// `length` bytes at `start`, all in the user half.
    pub fn new(start: u64, length: usize) -> Result<UserRange, Errno> {
        UserSpan::new(start, length).map(UserRange)
    }

    /// `count` records of `size` bytes at `start`.
    pub fn array(start: u64, count: usize, size: u64) -> Result<UserRange, Errno> {
        UserSpan::array(start, count, size).map(UserRange)
    }

    /// Bytes in the range.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The part from byte `from` on, `length` bytes at the most.
    pub fn part(&self, from: usize, length: usize) -> UserRange {
        UserRange(self.0.part(from, length))
    }

    /// Copies the first `to.len()` bytes of the range into the kernel.
    pub fn read(&self, to: &mut [u8]) -> Result<(), Errno> {
        if to.len() > self.len() {
            return Err(Errno::BadAddress);
        }
        may_fault();
        // SAFETY: `to` is the kernel's own; the range lies in the user half.
        match unsafe { usercopy::copy(to.as_mut_ptr() as usize, self.0.start() as usize, to.len()) }
        {
            0 => Ok(()),
            _ => Err(Errno::BadAddress),
        }
    }

    /// Copies bytes of the kernel to the start of the range.
    pub fn write(&self, from: &[u8]) -> Result<(), Errno> {
        if from.len() > self.len() {
            return Err(Errno::BadAddress);
        }
        may_fault();
        // SAFETY: `from` is the kernel's own; the range lies in the user half.
        match unsafe { usercopy::copy(self.0.start() as usize, from.as_ptr() as usize, from.len()) }
        {
            0 => Ok(()),
            _ => Err(Errno::BadAddress),
        }
    }
}

/// Copies a string up to its zero byte into `to`; gives it without the zero.
pub fn read_string(address: u64, to: &mut [u8]) -> Result<&[u8], Errno> {
    let most = UserSpan::up_to(address, to.len())?.len();
    may_fault();
    // SAFETY: as in `UserRange::read`.
    let left = unsafe { usercopy::copy_string(to.as_mut_ptr() as usize, address as usize, most) };
    match left {
        0 => Err(Errno::BadAddress),
        left => to.get(..most - left).ok_or(Errno::BadAddress),
    }
}

/// Copies a structure out of user memory.
pub fn read_value<T: FromBytes + IntoBytes>(address: u64) -> Result<T, Errno> {
    let mut value = T::new_zeroed();
    UserRange::new(address, size_of::<T>())?.read(value.as_mut_bytes())?;
    Ok(value)
}

/// Copies a structure to user memory.
pub fn write_value<T: IntoBytes + Immutable>(address: u64, value: &T) -> Result<(), Errno> {
    UserRange::new(address, size_of::<T>())?.write(value.as_bytes())
}

fn may_fault() {
    let _irq = hart::irq_save();
    debug_assert_eq!(
        hart::this().noff(),
        1,
        "user memory touched with a spin lock held"
    );
}
