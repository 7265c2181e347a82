//! Making a file system (mkfs).

use crate::balloc::set_bit;
use crate::cache::new_block;
use crate::device::{Block, BlockDevice};
use crate::layout::{
    BITS_PER_BLOCK, DIRENT_SIZE, DiskInode, INODES_PER_BLOCK, MAGIC, MAGIC_LARGE, MAX_LOG_BLOCKS,
    SUPERBLOCK, Superblock,
};
use crate::{Error, Fs, ROOT};
use abi::{Dirent, FileType};
use zerocopy::IntoBytes;

/// Cached blocks of a new file system, besides the log's.
const CACHE_BLOCKS: usize = 128;

/// The parameters of a new file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatOptions {
    /// Size in blocks.
    pub blocks: u32,
    /// Inodes, including the unused number 0.
    pub inodes: u32,
    /// Blocks of the log, including its header.
    pub log_blocks: u32,
    /// Whether inodes have a double indirect block, which xv6 does not know.
    pub large_files: bool,
}

impl Default for FormatOptions {
    /// The parameters of xv6's `mkfs`.
    fn default() -> Self {
        Self {
            blocks: 2000,
            inodes: 200,
            log_blocks: 30,
            large_files: false,
        }
    }
}

impl FormatOptions {
    /// The parameters of a file system with large files: the log is as long as it can be.
    pub fn large() -> Self {
        Self {
            log_blocks: 1 + MAX_LOG_BLOCKS,
            large_files: true,
            ..Self::default()
        }
    }

    /// The layout; area sizes are computed as in xv6's `mkfs`.
    fn superblock(&self) -> Option<Superblock> {
        let logstart = SUPERBLOCK + 1;
        let inodestart = logstart.checked_add(self.log_blocks)?;
        let bmapstart = inodestart.checked_add(self.inodes / INODES_PER_BLOCK + 1)?;
        let data_start = bmapstart.checked_add(self.blocks / BITS_PER_BLOCK + 1)?;
        Some(Superblock {
            magic: match self.large_files {
                true => MAGIC_LARGE,
                false => MAGIC,
            },
            size: self.blocks,
            // One for the root directory and one for a file.
            nblocks: self.blocks.checked_sub(data_start).filter(|&n| n >= 2)?,
            ninodes: self.inodes,
            nlog: self.log_blocks,
            logstart,
            inodestart,
            bmapstart,
        })
    }
}

impl<D: BlockDevice> Fs<D> {
    /// Makes a file system with an empty root directory and mounts it. All data on the disk is
    /// lost. The superblock is written last.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the sizes do not fit the disk or each other; [`Error::NoMemory`];
    /// [`Error::Device`].
    pub fn format(mut device: D, options: &FormatOptions) -> Result<Self, Error> {
        let mut block = new_block()?;
        let superblock = options.superblock().ok_or(Error::Invalid)?;
        put(&mut block, superblock.as_bytes());
        Superblock::parse(&block, device.blocks()).map_err(|_| Error::Invalid)?;

        block.fill(0);
        for number in SUPERBLOCK..=superblock.data_start() {
            device.write(number, &block)?;
        }
        let root = superblock.data_start();
        mark_used(&mut device, &superblock, root + 1, &mut block)?;

        let entry = |name: &[u8]| {
            let mut entry = Dirent {
                inum: ROOT as u16,
                ..Dirent::default()
            };
            for (to, from) in entry.name.iter_mut().zip(name) {
                *to = *from;
            }
            entry
        };
        put(&mut block, [entry(b"."), entry(b"..")].as_bytes());
        device.write(root, &block)?;

        let mut inode = DiskInode {
            kind: FileType::Directory as i16,
            nlink: 1,
            size: 2 * DIRENT_SIZE,
            ..DiskInode::default()
        };
        inode.addrs[0] = root;
        put(&mut block, [DiskInode::default(), inode].as_bytes());
        device.write(superblock.inodestart, &block)?;
        device.flush()?;

        put(&mut block, superblock.as_bytes());
        device.write(SUPERBLOCK, &block)?;
        device.flush()?;
        Self::mount(device, CACHE_BLOCKS + options.log_blocks as usize)
    }
}

/// Marks the blocks below `end` as used.
fn mark_used<D: BlockDevice>(
    device: &mut D,
    superblock: &Superblock,
    end: u32,
    block: &mut Block,
) -> Result<(), Error> {
    for index in 0..end.div_ceil(BITS_PER_BLOCK) {
        block.fill(0);
        for bit in 0..(end - index * BITS_PER_BLOCK).min(BITS_PER_BLOCK) {
            set_bit(block, bit, true);
        }
        device.write(superblock.bmapstart + index, block)?;
    }
    Ok(())
}

/// Copies `bytes` to the start of the block and zeroes the rest.
fn put(block: &mut Block, bytes: &[u8]) {
    block.fill(0);
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
}
