//! Files as programs see them.

use crate::DIRSIZ;
use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

bitflags! {
    /// Flags of `open`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Write only.
        const WRITE_ONLY = 0x001;
        /// Read and write. With neither, the file is read-only.
        const READ_WRITE = 0x002;
        /// Create the file if it does not exist.
        const CREATE = 0x200;
        /// Truncate the file.
        const TRUNCATE = 0x400;
    }
}

/// The type of an inode, as in `Stat::kind` and on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum FileType {
    /// A directory.
    Directory = 1,
    /// A regular file.
    File = 2,
    /// A device, named by its major and minor numbers.
    Device = 3,
}

impl FileType {
    /// The type with this number.
    pub const fn from_number(number: i16) -> Option<FileType> {
        match number {
            1 => Some(FileType::Directory),
            2 => Some(FileType::File),
            3 => Some(FileType::Device),
            _ => None,
        }
    }
}

/// What `fstat` stores (`struct stat` in C).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stat {
    /// The device that the file is on.
    pub dev: i32,
    /// Inode number.
    pub ino: u32,
    /// A [`FileType`].
    pub kind: i16,
    /// Link count.
    pub nlink: i16,
    /// Always zero.
    pub reserved: u32,
    /// Bytes in the file.
    pub size: u64,
}

/// A directory entry, on the disk and as read from a directory (`struct dirent` in C).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Dirent {
    /// Inode number; 0 marks a free entry.
    pub inum: u16,
    /// The name, padded with zeros; not terminated if it has [`DIRSIZ`] bytes.
    pub name: [u8; DIRSIZ],
}

impl Dirent {
    /// The name without its padding.
    pub fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|&b| b == 0).unwrap_or(DIRSIZ);
        &self.name[..end]
    }
}
