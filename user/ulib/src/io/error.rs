//! Why input or output failed.

use crate::sys;
use abi::Errno;
use core::fmt;

/// Why a call failed: the kernel's reason, or one that is found before or after the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel said no, for this reason.
    Kernel(Errno),
    /// The kernel did what it was not asked for.
    Other,
    /// A path longer than the kernel takes.
    NameTooLong,
    /// An argument that cannot be handed to the kernel, like a zero byte in a path.
    InvalidInput,
    /// Bytes that are not what they should be, like text that is not UTF-8.
    InvalidData,
    /// The end came before all was read.
    UnexpectedEof,
    /// Nothing more could be written.
    WriteZero,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Kernel(reason) => return reason.fmt(f),
            Error::Other => "unexpected answer of the kernel",
            Error::NameTooLong => "path too long",
            Error::InvalidInput => "invalid argument",
            Error::InvalidData => "invalid data",
            Error::UnexpectedEof => "unexpected end of file",
            Error::WriteZero => "cannot write more",
        })
    }
}

impl core::error::Error for Error {}

impl Error {
    /// Why the last call that failed has failed.
    pub fn last() -> Error {
        Errno::from_number(sys::errno() as u64).map_or(Error::Other, Error::Kernel)
    }
}

/// What input and output give back.
pub type Result<T> = core::result::Result<T, Error>;

/// Turns the kernel's answer into a result.
pub(crate) fn checked(answer: isize) -> Result<usize> {
    if answer == -1 {
        Err(Error::last())
    } else {
        Ok(answer as usize)
    }
}
