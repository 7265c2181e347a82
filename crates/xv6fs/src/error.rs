//! Why an operation on the file system failed.

use crate::device::DeviceError;
use abi::Errno;

/// Why an operation on the file system failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such name, no such inode, or a directory that has been removed.
    NotFound,
    /// The name is taken.
    Exists,
    /// Something that is used as a directory is none.
    NotDirectory,
    /// A directory where only something else will do.
    IsDirectory,
    /// A directory that still has entries.
    NotEmpty,
    /// No free block.
    NoSpace,
    /// No free inode.
    NoInodes,
    /// The file would be longer than an inode can map.
    FileTooLarge,
    /// The link count is at its end.
    TooManyLinks,
    /// The arguments make no sense: a name that cannot be, a gap in a file, sizes that do not fit.
    Invalid,
    /// No memory for the buffers; only while mounting and checking.
    NoMemory,
    /// What is on the disk contradicts itself; the text says where.
    Corrupt(&'static str),
    /// The disk failed.
    Device,
    /// The operation changes more blocks than the log can hold.
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
