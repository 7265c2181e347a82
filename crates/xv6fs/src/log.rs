//! The write-ahead log, which makes each transaction atomic.
//!
//! On the disk the log is a header, which lists home locations, and a copy of a block for each. What the
//! header lists belongs to committed transactions; recovery writes the copies home, in their order, and
//! clears the header. That is xv6's format, and what xv6 does at boot.
//!
//! A commit takes two flushes: it appends the copies to those that the header lists already, flushes, writes the
//! header with the longer list (one atomic write: the commit point), and flushes. So the log holds several
//! transactions, until a *checkpoint* empties it: that writes the blocks home, flushes, and clears the header. The
//! flush that makes the cleared header durable is left to the next commit, which must do it before it writes to the
//! log.

use crate::cache::Cache;
use crate::device::{Block, BlockDevice};
use crate::error::Error;
use crate::layout::{Superblock, number_at, set_number};
use alloc::boxed::Box;

/// The state of the header on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDisk {
    /// Durable.
    Durable,
    /// Written, but not flushed.
    Written,
    /// The disk failed: perhaps an older one, or one that lists an aborted transaction.
    Unknown,
}

/// The log.
pub(crate) struct Log {
    start: u32,
    capacity: u32,
    /// Blocks that the header lists.
    used: u32,
    on_disk: OnDisk,
    header: Box<Block>,
}

impl Log {
    /// The log of this file system; `header` is the buffer for its header.
    pub(crate) fn new(superblock: &Superblock, header: Box<Block>) -> Self {
        Self {
            start: superblock.logstart,
            capacity: superblock.log_capacity(),
            used: 0,
            on_disk: OnDisk::Durable,
            header,
        }
    }

    /// Whether it has no transaction.
    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether the disk may have another header than it should, because it failed.
    pub(crate) fn is_unknown(&self) -> bool {
        self.on_disk == OnDisk::Unknown
    }

    /// Replays the transactions in the log.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the header names blocks that are never logged; nothing is written
    /// then.
    pub(crate) fn recover<D: BlockDevice>(
        &mut self,
        cache: &mut Cache<D>,
        superblock: &Superblock,
    ) -> Result<(), Error> {
        cache.device.read(self.start, &mut self.header)?;
        let count = number_at(&self.header, 0);
        if count == 0 {
            return Ok(());
        }
        if count > superblock.log_area() {
            return Err(Error::Corrupt("log: more blocks than it can hold"));
        }
        let logged = superblock.inodestart..superblock.size;
        for index in 1..=count {
            if !logged.contains(&number_at(&self.header, index as usize)) {
                return Err(Error::Corrupt("log: a block that is never logged"));
            }
        }
        for index in 1..=count {
            let home = number_at(&self.header, index as usize);
            cache.copy_on_disk(self.start + index, home)?;
        }
        cache.device.flush()?;
        self.set_used(cache, 0);
        self.write_header(cache)
    }

    /// Commits the running blocks. On `Ok` they will survive a crash.
    ///
    /// # Errors
    /// [`Error::Device`]: the blocks stay running. A crash may find them committed, if it comes before
    /// the header is written again, which every commit does first.
    pub(crate) fn commit<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        let count = cache.changed().len() as u32;
        if count == 0 {
            // An operation that was undone must not come back with an aborted transaction.
            return match self.is_unknown() {
                true => self.make_durable(cache),
                false => Ok(()),
            };
        }
        // What the header on the disk lists must not be overwritten.
        self.make_durable(cache)?;
        cache.write_log(self.start + 1 + self.used)?;
        cache.device.flush()?;
        let listed = self.used;
        for (index, block) in (listed as usize + 1..).zip(cache.changed()) {
            set_number(&mut self.header, index, block);
        }
        self.set_used(cache, listed + count);
        if let Err(error) = self.make_durable(cache) {
            self.set_used(cache, listed);
            // If this fails too, the next commit tries again.
            let _ = self.make_durable(cache);
            return Err(error);
        }
        cache.set_logged();
        Ok(())
    }

    /// Writes the logged blocks home and empties the log. There is no running block.
    ///
    /// # Errors
    /// [`Error::Device`]: the log is unchanged.
    pub(crate) fn checkpoint<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        if self.used == 0 {
            return Ok(());
        }
        cache.write_home()?;
        cache.device.flush()?;
        cache.set_home();
        self.set_used(cache, 0);
        self.write_header(cache)
    }

    /// Changes the number of blocks that the header in memory lists, and with it the room that is left.
    fn set_used<D: BlockDevice>(&mut self, cache: &mut Cache<D>, used: u32) {
        self.used = used;
        self.on_disk = OnDisk::Unknown;
        set_number(&mut self.header, 0, used);
        cache.set_limit((self.capacity - used) as usize);
    }

    fn write_header<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        self.on_disk = OnDisk::Unknown;
        cache.device.write(self.start, &self.header)?;
        self.on_disk = OnDisk::Written;
        Ok(())
    }

    /// Makes the header on the disk durable.
    fn make_durable<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        if self.on_disk == OnDisk::Unknown {
            self.write_header(cache)?;
        }
        if self.on_disk == OnDisk::Written {
            // After a failed flush the state of the disk is unknown.
            self.on_disk = OnDisk::Unknown;
            cache.device.flush()?;
            self.on_disk = OnDisk::Durable;
        }
        Ok(())
    }
}
