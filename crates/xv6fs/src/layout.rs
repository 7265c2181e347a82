//! The on-disk layout of xv6.
//!
//! In order: boot block, superblock, log (a header, then copies of blocks), inode table, bitmap,
//! data blocks. Integers are little-endian.

use crate::device::{BLOCK_SIZE, Block};
use crate::error::Error;
use abi::{Dirent, FileType};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[cfg(not(target_endian = "little"))]
compile_error!("on-disk structures are little-endian and used in place");

/// An inode number.
pub type Inum = u32;

/// The inode of the root directory.
pub const ROOT: Inum = 1;
/// The superblock's magic number.
pub const MAGIC: u32 = 0x1020_3040;
/// The superblock's block number.
pub const SUPERBLOCK: u32 = 1;
/// Direct blocks of an inode.
pub const DIRECT: usize = 12;
/// Block numbers in an indirect block.
pub const INDIRECT: usize = BLOCK_SIZE / size_of::<u32>();
/// Data blocks of the largest file.
pub const MAX_FILE_BLOCKS: usize = DIRECT + INDIRECT;
/// Bytes of the largest file.
pub const MAX_FILE_SIZE: u32 = (MAX_FILE_BLOCKS * BLOCK_SIZE) as u32;
/// Inodes in an inode-table block.
pub const INODES_PER_BLOCK: u32 = (BLOCK_SIZE / size_of::<DiskInode>()) as u32;
/// Blocks that one bitmap block covers.
pub const BITS_PER_BLOCK: u32 = (BLOCK_SIZE * 8) as u32;
/// Bytes of a dirent.
pub const DIRENT_SIZE: u32 = size_of::<Dirent>() as u32;
/// Inodes that a dirent's 16-bit number can name.
pub const MAX_INODES: u32 = 1 << 16;
/// Block numbers in the log header, besides their count.
pub const MAX_LOG_BLOCKS: u32 = (INDIRECT - 1) as u32;
/// Least blocks of a log, for `mkdir`, the largest operation: two inodes, a block of each
/// directory, an indirect block and three bitmap blocks, with some to spare.
pub const MIN_LOG_BLOCKS: u32 = 10;

/// The superblock. Mounting validates it: the areas lie on the disk and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Superblock {
    /// [`MAGIC`].
    pub magic: u32,
    /// Size of the file system in blocks.
    pub size: u32,
    /// Data blocks, at the end.
    pub nblocks: u32,
    /// Inodes, including the unused number 0.
    pub ninodes: u32,
    /// Blocks of the log, including its header.
    pub nlog: u32,
    /// First block of the log: its header.
    pub logstart: u32,
    /// First block of the inode table.
    pub inodestart: u32,
    /// First block of the bitmap.
    pub bmapstart: u32,
}

impl Superblock {
    /// Parses the superblock and checks it against a disk of `device_blocks` blocks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no file system or its layout is impossible.
    pub fn parse(block: &Block, device_blocks: u32) -> Result<Self, Error> {
        let (superblock, _) =
            Self::read_from_prefix(block).map_err(|_| Error::Corrupt("superblock: truncated"))?;
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
        if self.nlog <= MIN_LOG_BLOCKS {
            return Err(Error::Corrupt("superblock: log too small"));
        }
        let in_order = |start: u32, blocks: u32, next: u32| {
            start.checked_add(blocks).is_some_and(|end| end <= next)
        };
        let data_start = self
            .size
            .checked_sub(self.nblocks)
            .ok_or(Error::Corrupt("superblock: more data blocks than blocks"))?;
        let fits = self.logstart > SUPERBLOCK
            && in_order(self.logstart, self.nlog, self.inodestart)
            && in_order(self.inodestart, self.inode_blocks(), self.bmapstart)
            && in_order(self.bmapstart, self.bitmap_blocks(), data_start)
            && self.nblocks > 0;
        if fits {
            Ok(())
        } else {
            Err(Error::Corrupt("superblock: areas overlap"))
        }
    }

    /// Blocks of the inode table.
    pub const fn inode_blocks(&self) -> u32 {
        self.ninodes.div_ceil(INODES_PER_BLOCK)
    }

    /// Blocks of the bitmap.
    pub const fn bitmap_blocks(&self) -> u32 {
        self.size.div_ceil(BITS_PER_BLOCK)
    }

    /// The first data block.
    pub const fn data_start(&self) -> u32 {
        self.size - self.nblocks
    }

    /// Most blocks that one transaction can change.
    pub fn log_capacity(&self) -> u32 {
        (self.nlog - 1).min(MAX_LOG_BLOCKS)
    }

    /// Validates that a block number from the disk is a data block's.
    pub(crate) fn data_block(&self, block: u32) -> Result<u32, Error> {
        if (self.data_start()..self.size).contains(&block) {
            Ok(block)
        } else {
            Err(Error::Corrupt("a block number outside the data area"))
        }
    }

    /// The inode-table block with this inode, and its offset there.
    pub(crate) fn inode_position(&self, inum: Inum) -> Result<(u32, usize), Error> {
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

/// An on-disk inode.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DiskInode {
    /// A [`FileType`]; 0 for a free inode.
    pub kind: i16,
    /// Major device number.
    pub major: i16,
    /// Minor device number.
    pub minor: i16,
    /// Link count. A directory has one, and one more for each subdirectory.
    pub nlink: i16,
    /// Size in bytes.
    pub size: u32,
    /// The direct blocks, then the indirect block; 0 for none.
    pub addrs: [u32; DIRECT + 1],
}

const _: () = assert!(size_of::<DiskInode>() == 64 && size_of::<Dirent>() == 16);

/// An inode's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InodeInfo {
    /// Its type.
    pub kind: FileType,
    /// Major device number.
    pub major: i16,
    /// Minor device number.
    pub minor: i16,
    /// Link count; 0 for an unlinked inode that is still open.
    pub nlink: i16,
    /// Size in bytes.
    pub size: u32,
}

/// The number at `index` of a block of numbers; 0 past its end.
pub(crate) fn number_at(block: &Block, index: usize) -> u32 {
    let (numbers, _) = block.as_chunks::<4>();
    numbers.get(index).map_or(0, |n| u32::from_le_bytes(*n))
}

/// Sets the number at `index` of a block of numbers.
pub(crate) fn set_number(block: &mut Block, index: usize, value: u32) {
    let (numbers, _) = block.as_chunks_mut::<4>();
    if let Some(number) = numbers.get_mut(index) {
        *number = value.to_le_bytes();
    }
}
