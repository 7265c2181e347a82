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
mod operations;
mod path;

pub use check::{Problem, Report, check};
pub use device::{BLOCK_SIZE, Block, BlockDevice, DeviceError};
pub use error::Error;
pub use format::FormatOptions;
pub use layout::{InodeInfo, Inum, MAX_FILE_SIZE, ROOT, Superblock};
pub use operations::Unlinked;

use cache::{Cache, new_block};
use log::Log;

/// Cached blocks besides those that a transaction may pin, at least.
const SPARE_BLOCKS: usize = 8;

/// A mounted file system.
pub struct Fs<D> {
    superblock: Superblock,
    cache: Cache<D>,
    log: Log,
    hints: Hints,
}

/// Where to start searching for a free block or inode.
#[derive(Clone, Copy)]
struct Hints {
    /// All data blocks before this one are in use.
    block: u32,
    /// All inodes before this one are in use.
    inode: Inum,
}

impl<D: BlockDevice> Fs<D> {
    /// Mounts the file system: replays the log and frees orphaned inodes.
    ///
    /// `cache_blocks` is the size of the buffer cache; it is raised to what the log needs.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the disk has no file system or a damaged one; [`Error::NoMemory`];
    /// [`Error::Device`].
    pub fn mount(mut device: D, cache_blocks: usize) -> Result<Self, Error> {
        let mut block = new_block()?;
        if device.blocks() <= layout::SUPERBLOCK {
            return Err(Error::Corrupt("superblock: the disk is too small"));
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
            return Err(Error::Corrupt("the root is not a directory"));
        }
        fs.free_orphans()?;
        Ok(fs)
    }

    /// The superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The disk.
    pub fn device(&self) -> &D {
        &self.cache.device
    }

    /// The disk. Writing to it directly corrupts the file system.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.cache.device
    }

    /// Unmounts: returns the disk. Every committed transaction is on it.
    pub fn into_device(self) -> D {
        self.cache.device
    }

    /// Runs `body` as one transaction: its changes are durable on `Ok` and dropped on `Err`.
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
            self.cache.discard();
            self.hints = hints;
        }
        result
    }
}
