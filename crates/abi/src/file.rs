//! Files as programs see them.

use crate::DIRSIZ;
use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

bitflags! {
    /// How `open` opens.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Write, and not read.
        const WRITE_ONLY = 0x001;
        /// Read and write. With neither, the file is open for reading only.
        const READ_WRITE = 0x002;
        /// Make the file if it is not there.
        const CREATE = 0x200;
        /// Drop what the file holds.
        const TRUNCATE = 0x400;
    }
}

/// What an inode is, as `Stat::kind` and the disk have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum FileType {
    /// A directory.
    Directory = 1,
    /// A regular file.
    File = 2,
    /// A device; major and minor numbers say which.
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

/// What `fstat` tells of a file (`struct stat` in C).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stat {
    /// The disk the file is on.
    pub dev: i32,
    /// Inode number.
    pub ino: u32,
    /// A [`FileType`].
    pub kind: i16,
    /// Directory entries that name the file.
    pub nlink: i16,
    /// Always zero.
    pub reserved: u32,
    /// Bytes in the file.
    pub size: u64,
}

/// A directory entry on the disk and in what `read` of a directory gives (`struct dirent` in C).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Dirent {
    /// Inode number; 0 marks a free entry.
    pub inum: u16,
    /// The name, padded with zero bytes; a name of [`DIRSIZ`] bytes has none.
    pub name: [u8; DIRSIZ],
}

impl Dirent {
    /// The name without its padding.
    pub fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|&b| b == 0).unwrap_or(DIRSIZ);
        &self.name[..end]
    }
}
