//! Copies between the kernel and the memory of the running process.

use crate::arch::{hart, usercopy};
use abi::{Errno, UserSpan};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A range in the user half. Whether it is mapped is not checked: every copy may fail.
#[derive(Clone, Copy, Debug)]
pub struct UserRange(UserSpan);

impl UserRange {
    /// `length` bytes at `start`.
    ///
    /// # Errors
    /// `BadAddress` if the range is not in the user half.
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

    /// The subrange from byte `from` on, at most `length` bytes.
    pub fn part(&self, from: usize, length: usize) -> UserRange {
        UserRange(self.0.part(from, length))
    }

    /// Copies the first `to.len()` bytes of the range to `to`. May sleep.
    ///
    /// # Errors
    /// `BadAddress` if the range is shorter or cannot be read; `to` may be partly written then.
    pub fn read(&self, to: &mut [u8]) -> Result<(), Errno> {
        if to.len() > self.len() {
            return Err(Errno::BadAddress);
        }
        might_fault();
        // SAFETY: `to` is kernel memory; the range lies in the user half.
        match unsafe { usercopy::copy(to.as_mut_ptr() as usize, self.0.start() as usize, to.len()) }
        {
            0 => Ok(()),
            _ => Err(Errno::BadAddress),
        }
    }

    /// Copies `from` to the start of the range. May sleep.
    ///
    /// # Errors
    /// `BadAddress` if the range is shorter or cannot be written; it may be partly written then.
    pub fn write(&self, from: &[u8]) -> Result<(), Errno> {
        if from.len() > self.len() {
            return Err(Errno::BadAddress);
        }
        might_fault();
        // SAFETY: `from` is kernel memory; the range lies in the user half.
        match unsafe { usercopy::copy(self.0.start() as usize, from.as_ptr() as usize, from.len()) }
        {
            0 => Ok(()),
            _ => Err(Errno::BadAddress),
        }
    }
}

/// Copies a zero-terminated string to `to`; returns it without the zero byte.
///
/// # Errors
/// `BadAddress` if it does not fit or cannot be read.
pub fn read_string(address: u64, to: &mut [u8]) -> Result<&[u8], Errno> {
    let most = UserSpan::up_to(address, to.len())?.len();
    might_fault();
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

/// Checks that the running thread may sleep in a page fault, as Linux's `might_fault`.
fn might_fault() {
    let _irq = hart::irq_save();
    debug_assert_eq!(
        hart::this().noff(),
        1,
        "user memory touched with a spin lock held"
    );
}
