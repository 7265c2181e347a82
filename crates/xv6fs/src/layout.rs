//! What lies where on the disk, as xv6 has it.
//!
//! In order: a block for a boot loader, the superblock, the log (a header, then copies of blocks),
//! the inode table, the bitmap of blocks in use, the blocks with content. Numbers are little-endian.

use crate::Error;
use crate::device::{BLOCK_SIZE, Block};
use abi::{Dirent, FileType};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[cfg(not(target_endian = "little"))]
compile_error!("the structures of the disk are used in place and are little-endian");

/// The number of an inode.
pub type Inum = u32;

/// The inode of the root directory.
pub const ROOT: Inum = 1;
/// What the superblock starts with.
pub const MAGIC: u32 = 0x1020_3040;
/// The block with the superblock.
pub const SUPERBLOCK: u32 = 1;
/// Blocks that an inode names itself.
pub const DIRECT: usize = 12;
/// Blocks that its indirect block names.
pub const INDIRECT: usize = BLOCK_SIZE / size_of::<u32>();
/// Most blocks of a file.
pub const MAX_FILE_BLOCKS: usize = DIRECT + INDIRECT;
/// Most bytes of a file.
pub const MAX_FILE_SIZE: u32 = (MAX_FILE_BLOCKS * BLOCK_SIZE) as u32;
/// Inodes in a block of the inode table.
pub const INODES_PER_BLOCK: u32 = (BLOCK_SIZE / size_of::<DiskInode>()) as u32;
/// Blocks that one block of the bitmap is for.
pub const BITS_PER_BLOCK: u32 = (BLOCK_SIZE * 8) as u32;
/// Bytes of a directory entry.
pub const DIRENT_SIZE: u32 = size_of::<Dirent>() as u32;
/// Inodes that directory entries, with their 16 bits, can name.
pub const MAX_INODES: u32 = 1 << 16;
/// Blocks that the log's header has room for: one number is their count.
pub const MAX_LOGGED: u32 = (INDIRECT - 1) as u32;
/// Blocks that a log must be able to hold for the largest operation, `mkdir`, to fit: two inodes,
/// a block of each directory, an indirect block and three of the bitmap, with some to spare.
pub const MIN_LOGGED: u32 = 10;

/// Where the parts of the disk are. A `Superblock` that mounting gave out has been checked: the
/// parts do not overlap and lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Superblock {
    /// [`MAGIC`].
    pub magic: u32,
    /// Blocks of the file system, all parts together.
    pub size: u32,
    /// Blocks for content, the last ones.
    pub nblocks: u32,
    /// Inodes; number 0 is not used.
    pub ninodes: u32,
    /// Blocks of the log, its header among them.
    pub nlog: u32,
    /// First block of the log, the header.
    pub logstart: u32,
    /// First block of the inode table.
    pub inodestart: u32,
    /// First block of the bitmap.
    pub bmapstart: u32,
}

impl Superblock {
    /// Reads the superblock from its block and checks it against a disk of so many blocks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no file system or its parts cannot be where it says.
    pub fn parse(block: &Block, device_blocks: u32) -> Result<Self, Error> {
        let (superblock, _) = Self::read_from_prefix(block)
            .map_err(|_| Error::Corrupt("superblock: shorter than itself"))?;
        superblock.check(device_blocks)?;
        Ok(superblock)
    }

    fn check(&self, device_blocks: u32) -> Result<(), Error> {
        if self.magic != MAGIC {
            return Err(Error::Corrupt("superblock: not an xv6 file system"));
        }
        if self.size > device_blocks {
            return Err(Error::Corrupt("superblock: larger than the disk"));
        }
        if self.ninodes < 2 || self.ninodes > MAX_INODES {
            return Err(Error::Corrupt("superblock: impossible number of inodes"));
        }
        if self.nlog <= MIN_LOGGED {
            return Err(Error::Corrupt("superblock: log too small"));
        }
        let in_order = |start: u32, blocks: u32, next: u32| {
            start.checked_add(blocks).is_some_and(|end| end <= next)
        };
        let data_start = self
            .size
            .checked_sub(self.nblocks)
            .ok_or(Error::Corrupt("superblock: more content than blocks"))?;
        let fits = self.logstart > SUPERBLOCK
            && in_order(self.logstart, self.nlog, self.inodestart)
            && in_order(self.inodestart, self.inode_blocks(), self.bmapstart)
            && in_order(self.bmapstart, self.bitmap_blocks(), data_start)
            && self.nblocks > 0;
        if fits {
            Ok(())
        } else {
            Err(Error::Corrupt("superblock: parts overlap"))
        }
    }

    /// Blocks of the inode table that have inodes in them.
    pub const fn inode_blocks(&self) -> u32 {
        self.ninodes.div_ceil(INODES_PER_BLOCK)
    }

    /// Blocks of the bitmap that have bits in them.
    pub const fn bitmap_blocks(&self) -> u32 {
        self.size.div_ceil(BITS_PER_BLOCK)
    }

    /// The first block with content.
    pub const fn data_start(&self) -> u32 {
        self.size - self.nblocks
    }

    /// Blocks that one transaction can change.
    pub fn log_capacity(&self) -> u32 {
        (self.nlog - 1).min(MAX_LOGGED)
    }

    /// Gives back a block number from the disk if content may be there.
    pub(crate) fn data_block(&self, block: u32) -> Result<u32, Error> {
        if (self.data_start()..self.size).contains(&block) {
            Ok(block)
        } else {
            Err(Error::Corrupt("a block number outside the content"))
        }
    }

    /// The block with this inode, and where in it.
    pub(crate) fn inode_place(&self, inum: Inum) -> Result<(u32, usize), Error> {
        if inum == 0 || inum >= self.ninodes {
            return Err(Error::NotFound);
        }
        let index = (inum % INODES_PER_BLOCK) as usize;
        Ok((
            self.inodestart + inum / INODES_PER_BLOCK,
            index * size_of::<DiskInode>(),
        ))
    }
}

/// An inode on the disk.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DiskInode {
    /// A [`FileType`], or 0 in a free inode.
    pub kind: i16,
    /// Major number of a device.
    pub major: i16,
    /// Minor number of a device.
    pub minor: i16,
    /// Names of the inode. A directory has one, and one more for each directory in it.
    pub nlink: i16,
    /// Bytes of content.
    pub size: u32,
    /// Blocks of the content, then the indirect block; 0 is none.
    pub addrs: [u32; DIRECT + 1],
}

const _: () = assert!(size_of::<DiskInode>() == 64 && size_of::<Dirent>() == 16);

/// What an inode says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InodeInfo {
    /// What it is.
    pub kind: FileType,
    /// Major number of a device.
    pub major: i16,
    /// Minor number of a device.
    pub minor: i16,
    /// Names of the inode; 0 when it lives only as long as somebody has it open.
    pub nlink: i16,
    /// Bytes of content.
    pub size: u32,
}

/// The number at this position of a block of numbers; 0 beyond its end.
pub(crate) fn entry(block: &Block, index: usize) -> u32 {
    let (numbers, _) = block.as_chunks::<4>();
    numbers.get(index).map_or(0, |n| u32::from_le_bytes(*n))
}

/// Sets the number at this position of a block of numbers.
pub(crate) fn set_entry(block: &mut Block, index: usize, value: u32) {
    let (numbers, _) = block.as_chunks_mut::<4>();
    if let Some(number) = numbers.get_mut(index) {
        *number = value.to_le_bytes();
    }
}
