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
pub use layout::{InodeInfo, Inum, ROOT, Superblock};
pub use operations::Unlinked;

use cache::{Cache, SPARE_BLOCKS, new_block};
use log::Log;

/// A mounted file system.
pub struct Fs<D> {
    superblock: Superblock,
    cache: Cache<D>,
    log: Log,
    hints: Hints,
    /// Whether each operation commits.
    sync: bool,
    /// Whether the current operation has the log for itself.
    alone: bool,
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
            sync: false,
            alone: true,
        };
        if fs.inode(ROOT)?.file_type()? != abi::FileType::Directory {
            return Err(Error::Corrupt("the root is not a directory"));
        }
        fs.free_orphans()?;
        fs.checkpoint()?;
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

    /// Unmounts: writes all changes to where they belong and returns the disk.
    ///
    /// # Errors
    /// [`Error::Device`]: what was not committed is lost.
    pub fn unmount(mut self) -> Result<D, Error> {
        self.checkpoint()?;
        self.cache.device.flush()?;
        Ok(self.cache.device)
    }

    /// Returns the disk as it is, as a power cut would. What was not committed is lost.
    pub fn into_device(self) -> D {
        self.cache.device
    }

    /// Sets whether each operation commits and checkpoints before it returns. Off after mount.
    pub fn set_sync(&mut self, sync: bool) {
        self.sync = sync;
    }

    /// Whether there are changes that are not committed.
    pub fn is_uncommitted(&self) -> bool {
        self.cache.changed().len() > 0
    }

    /// Whether there are changes that are not in their home blocks, committed or not; or whether the disk has
    /// failed, and a crash may find changes that were undone.
    pub fn is_dirty(&self) -> bool {
        self.cache.any_pinned() || self.log.is_unknown()
    }

    /// Commits the running transaction. After `Ok` all operations so far survive a crash.
    ///
    /// # Errors
    /// [`Error::Device`]: the changes stay in memory; the next commit tries again.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.log.commit(&mut self.cache)
    }

    /// Commits, writes the logged blocks to their home blocks, and empties the log.
    ///
    /// # Errors
    /// As [`Fs::commit`].
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        self.commit()?;
        self.log.checkpoint(&mut self.cache)
    }

    /// Runs `body` as one operation of the running transaction: its changes stay on `Ok`, and are undone on
    /// `Err`. If the log has no room for it and the operations before, those are committed, and `body` runs again.
    fn transaction<T>(
        &mut self,
        mut body: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let hints = self.hints;
        loop {
            self.alone = self.log.is_empty() && !self.is_uncommitted();
            let result = body(self).and_then(|value| {
                if self.sync {
                    self.commit()?;
                }
                Ok(value)
            });
            match result {
                Ok(value) => {
                    self.cache.accept();
                    if self.sync {
                        // It is committed: the next checkpoint retries a failed one.
                        let _ = self.log.checkpoint(&mut self.cache);
                    }
                    return Ok(value);
                }
                Err(error) => {
                    self.cache.undo();
                    self.hints = hints;
                    if error != Error::LogFull || self.alone {
                        return Err(error);
                    }
                    self.checkpoint()?;
                }
            }
        }
    }
}
