//! Errors.

use crate::sys;
use abi::Errno;
use core::fmt;

/// Why an operation failed: the kernel's error number, or an error found outside the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel's error number.
    Kernel(Errno),
    /// An unexpected result of the kernel.
    Other,
    /// A path longer than the kernel takes.
    NameTooLong,
    /// An argument that cannot be passed to the kernel, like a zero byte in a path.
    InvalidInput,
    /// Malformed data, like text that is not UTF-8.
    InvalidData,
    /// End of file before all was read.
    UnexpectedEof,
    /// Nothing more could be written.
    WriteZero,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Kernel(reason) => return reason.fmt(f),
            Error::Other => "unexpected result from the kernel",
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
    /// The error of the last failed call.
    pub fn last() -> Error {
        Errno::from_number(sys::errno() as u64).map_or(Error::Other, Error::Kernel)
    }
}

/// The result of I/O.
pub type Result<T> = core::result::Result<T, Error>;

/// Turns a system call's result into a `Result`.
pub(crate) fn checked(answer: isize) -> Result<usize> {
    if answer == -1 {
        Err(Error::last())
    } else {
        Ok(answer as usize)
    }
}
