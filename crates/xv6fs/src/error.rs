//! Why an operation on the file system failed.

use crate::device::DeviceError;
use abi::Errno;

/// Why an operation on the file system failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such name or inode, or the directory has been removed.
    NotFound,
    /// The name exists.
    Exists,
    /// Not a directory.
    NotDirectory,
    /// Is a directory.
    IsDirectory,
    /// Directory not empty.
    NotEmpty,
    /// No free block.
    NoSpace,
    /// No free inode.
    NoInodes,
    /// The file would exceed [`Superblock::max_file_size`](crate::Superblock::max_file_size).
    FileTooLarge,
    /// The link count would overflow.
    TooManyLinks,
    /// Invalid argument: an impossible name, a write past the end, sizes that do not fit.
    Invalid,
    /// Out of memory. Only mounting and checking allocate.
    NoMemory,
    /// The file system is inconsistent; the text says where.
    Corrupt(&'static str),
    /// An I/O error.
    Device,
    /// The operation changes more blocks than the log holds.
    LogFull,
}

impl From<DeviceError> for Error {
    fn from(_: DeviceError) -> Self {
        Error::Device
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Errno::NotFound,
            Error::Exists => Errno::Exists,
            Error::NotDirectory => Errno::NotDirectory,
            Error::IsDirectory => Errno::IsDirectory,
            Error::NotEmpty => Errno::NotEmpty,
            Error::NoSpace | Error::NoInodes | Error::LogFull => Errno::NoSpace,
            Error::FileTooLarge => Errno::FileTooLarge,
            Error::TooManyLinks => Errno::TooManyLinks,
            Error::Invalid => Errno::Invalid,
            Error::NoMemory => Errno::NoMemory,
            Error::Corrupt(_) | Error::Device => Errno::Io,
        }
    }
}
