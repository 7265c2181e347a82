#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod balloc;
mod cache;
mod check;
mod device;
mod dir;
mod error;
mod file;
mod format;
mod inode;
pub mod layout;
mod log;
mod path;
mod verbs;

pub use check::{Problem, Report, check};
pub use device::{BLOCK_SIZE, Block, BlockDevice, DeviceError};
pub use error::Error;
pub use format::FormatOptions;
pub use layout::{InodeInfo, Inum, MAX_FILE_SIZE, ROOT, Superblock};
pub use verbs::Unlinked;

use cache::{Cache, new_block};
use log::Log;

/// Blocks that the cache holds beside those that a transaction changes, at least.
const SPARE_BLOCKS: usize = 8;

/// A mounted file system.
pub struct Fs<D> {
    superblock: Superblock,
    cache: Cache<D>,
    log: Log,
    hints: Hints,
}

/// Where to start looking for something free.
#[derive(Clone, Copy)]
struct Hints {
    /// Every block with content before this one is in use.
    block: u32,
    /// Every inode before this one is in use.
    inode: Inum,
}

impl<D: BlockDevice> Fs<D> {
    /// Opens the file system on a disk, after finishing what a crash has left unfinished: the
    /// transaction in the log, and inodes that had no name any more but were still open.
    ///
    /// `cache_blocks` is how many blocks of [`BLOCK_SIZE`] bytes to keep in memory; if that is less
    /// than the log needs, it is made as many.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no file system on the disk, or a damaged one;
    /// [`Error::NoMemory`]; [`Error::Device`].
    pub fn mount(mut device: D, cache_blocks: usize) -> Result<Self, Error> {
        let mut block = new_block()?;
        if device.blocks() <= layout::SUPERBLOCK {
            return Err(Error::Corrupt("superblock: the disk has no room for it"));
        }
        device.read(layout::SUPERBLOCK, &mut block)?;
        let superblock = Superblock::parse(&block, device.blocks())?;
        let capacity = superblock.log_capacity() as usize;
        let mut log = Log::new(&superblock, block);
        let blocks = cache_blocks.max(capacity + SPARE_BLOCKS);
        let mut cache = Cache::new(device, blocks, capacity)?;
        log.recover(&mut cache, &superblock)?;
        let hints = Hints {
            block: superblock.data_start(),
            inode: ROOT,
        };
        let mut fs = Self {
            superblock,
            cache,
            log,
            hints,
        };
        if fs.inode(ROOT)?.file_type()? != abi::FileType::Directory {
            return Err(Error::Corrupt("the root is no directory"));
        }
        fs.free_orphans()?;
        Ok(fs)
    }

    /// Where the parts of the disk are.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The disk.
    pub fn device(&self) -> &D {
        &self.cache.device
    }

    /// The disk. Who writes to it behind the file system's back damages it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.cache.device
    }

    /// Gives the disk back. Every transaction is on it.
    pub fn into_device(self) -> D {
        self.cache.device
    }

    /// Runs `body` as one transaction: what it changed is on the disk when this returns `Ok`, and
    /// forgotten when it returns `Err`.
    fn transaction<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.log.begin(&mut self.cache)?;
        let hints = self.hints;
        let result = body(self).and_then(|value| {
            self.log.commit(&mut self.cache)?;
            Ok(value)
        });
        if result.is_err() {
            self.cache.drop_changes();
            self.hints = hints;
        }
        result
    }
}
