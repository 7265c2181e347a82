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
/// That of a file system with large files, which is not xv6's: its inodes have a double indirect block in
/// the place of the last direct one. A kernel that knows xv6's only refuses it.
pub const MAGIC_LARGE: u32 = 0x1020_3041;
/// The superblock's block number.
pub const SUPERBLOCK: u32 = 1;
/// Block numbers in an inode.
pub const ADDRESSES: usize = 13;
/// Block numbers in an indirect block.
pub const INDIRECT: usize = BLOCK_SIZE / size_of::<u32>();
/// Most levels of indirect blocks above a data block.
pub(crate) const MAX_LEVELS: usize = 2;
/// Inodes in an inode-table block.
pub const INODES_PER_BLOCK: u32 = (BLOCK_SIZE / size_of::<DiskInode>()) as u32;
/// Blocks that one bitmap block covers.
pub const BITS_PER_BLOCK: u32 = (BLOCK_SIZE * 8) as u32;
/// Bytes of a dirent.
pub const DIRENT_SIZE: u32 = size_of::<Dirent>() as u32;
/// Inodes that a dirent's 16-bit number can name.
pub const MAX_INODES: u32 = 1 << 16;
/// Most block numbers that are written to the log header: with their count they fill a sector of 512 bytes,
/// which disks write whole or not at all.
pub const MAX_LOG_BLOCKS: u32 = 127;
/// Least blocks of a log, for `mkdir`, the largest operation: two inodes, a block of each
/// directory, two indirect blocks and four bitmap blocks.
pub const MIN_LOG_BLOCKS: u32 = 10;

/// The superblock. Mounting validates it: the areas lie on the disk and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Superblock {
    /// [`MAGIC`] or [`MAGIC_LARGE`].
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
        if self.magic != MAGIC && !self.has_large_files() {
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

    /// Whether inodes have a double indirect block.
    pub const fn has_large_files(&self) -> bool {
        self.magic == MAGIC_LARGE
    }

    /// Direct blocks of an inode. Behind them come the indirect block and, where there are large files,
    /// the double indirect block.
    pub const fn direct(&self) -> usize {
        ADDRESSES - self.levels()
    }

    /// Levels of indirect blocks.
    const fn levels(&self) -> usize {
        match self.has_large_files() {
            true => MAX_LEVELS,
            false => 1,
        }
    }

    /// Data blocks of the largest file.
    pub const fn max_file_blocks(&self) -> usize {
        let end = self.first_block(ADDRESSES - 1);
        end + INDIRECT.pow(self.levels_at(ADDRESSES - 1))
    }

    /// Bytes of the largest file.
    pub const fn max_file_size(&self) -> u32 {
        (self.max_file_blocks() * BLOCK_SIZE) as u32
    }

    /// Levels of indirect blocks from this one of an inode's blocks down.
    pub(crate) const fn levels_at(&self, slot: usize) -> u32 {
        (slot + 1).saturating_sub(self.direct()) as u32
    }

    /// The first block of the file that is reached by this one of an inode's blocks.
    pub(crate) const fn first_block(&self, slot: usize) -> usize {
        match self.levels_at(slot) {
            0 | 1 => slot,
            _ => slot - 1 + INDIRECT,
        }
    }

    /// Where to look for a block of a file; none if it is behind the largest file.
    pub(crate) fn locate(&self, block: usize) -> Option<BlockPlace> {
        let last_slot = ADDRESSES - 1;
        let slot = match block >= self.first_block(last_slot) {
            true => last_slot,
            false => block.min(self.direct()),
        };
        let levels = self.levels_at(slot);
        let offset = block - self.first_block(slot);
        (offset < INDIRECT.pow(levels)).then_some(BlockPlace {
            slot,
            levels: levels as usize,
            offset,
        })
    }

    /// Blocks that the log area has room for behind its header.
    pub(crate) fn log_area(&self) -> u32 {
        (self.nlog - 1).min(INDIRECT as u32 - 1)
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
    /// The direct blocks, then the indirect ones; 0 for none.
    pub addrs: [u32; ADDRESSES],
}

/// Where the number of a file's block is.
#[derive(Clone, Copy)]
pub(crate) struct BlockPlace {
    /// Which of the inode's blocks leads there.
    pub(crate) slot: usize,
    /// Levels of indirect blocks from that one down.
    pub(crate) levels: usize,
    /// How many blocks of the file come before, below the same one.
    offset: usize,
}

impl BlockPlace {
    /// Which number to take in an indirect block with so many levels of them below it.
    pub(crate) fn index(&self, below: usize) -> usize {
        self.offset / INDIRECT.pow(below as u32) % INDIRECT
    }
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
