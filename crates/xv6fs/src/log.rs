//! The log: a transaction reaches the disk as a whole or not at all.
//!
//! The changed blocks are first copied into the log; then the log's header, written as one
//! block, says which they are, and from then on the transaction has happened. Then they go where they
//! belong, and the header is cleared. After a crash, a header that is not clear tells what to copy
//! once more. One transaction is in the log at a time, and each of the four steps is on the disk
//! before the next begins.

use crate::Error;
use crate::cache::{Cache, Use};
use crate::device::{Block, BlockDevice};
use crate::layout::{Superblock, entry, set_entry};
use alloc::boxed::Box;

/// What the log's header on the disk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Clear,
    /// A transaction has happened, and the changed buffers have not all been written home. They are
    /// still pinned.
    Committed,
    /// Perhaps a transaction that was given up, because the disk failed while writing the header.
    Doubtful,
}

/// Where the log is and what is in it.
pub(crate) struct Log {
    start: u32,
    state: State,
    header: Box<Block>,
}

impl Log {
    /// The log of this file system; `header` is memory for its header.
    pub(crate) fn new(superblock: &Superblock, header: Box<Block>) -> Self {
        Self {
            start: superblock.logstart,
            state: State::Clear,
            header,
        }
    }

    /// Finishes the transaction that a crash has left in the log, if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the header names what no transaction changes; nothing is written then.
    pub(crate) fn recover<D: BlockDevice>(
        &mut self,
        cache: &mut Cache<D>,
        superblock: &Superblock,
    ) -> Result<(), Error> {
        cache.device.read(self.start, &mut self.header)?;
        let count = entry(&self.header, 0);
        if count == 0 {
            return Ok(());
        }
        if count > superblock.log_capacity() {
            return Err(Error::Corrupt("log: more blocks than it can hold"));
        }
        let logged = superblock.inodestart..superblock.size;
        for index in 1..=count {
            if !logged.contains(&entry(&self.header, index as usize)) {
                return Err(Error::Corrupt("log: a block that is never logged"));
            }
        }
        for index in 1..=count {
            let copy = *cache.read(self.start + index, Use::Once)?;
            let home = entry(&self.header, index as usize);
            cache.modify_zeroed(home)?.copy_from_slice(&copy);
        }
        cache.write_home()?;
        cache.keep_changes();
        cache.device.flush()?;
        self.clear(cache)
    }

    /// Makes the log ready for a transaction: finishes what a failing disk has held up.
    ///
    /// # Errors
    /// [`Error::Device`] when the disk still fails.
    pub(crate) fn begin<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        match self.state {
            State::Clear => Ok(()),
            State::Committed => self.install(cache),
            State::Doubtful => self.clear(cache),
        }
    }

    /// Ends the transaction under way with its changes on the disk. `Ok` says that they will be
    /// there whatever happens now, even if the disk failed after the header was written.
    ///
    /// # Errors
    /// [`Error::Device`], and the changes have never been. Only if the disk failed just when the
    /// header was written and cannot clear it either, a mount may find them; within
    /// this mount no transaction starts before the header is clear.
    pub(crate) fn commit<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        if cache.changed().len() == 0 {
            return Ok(());
        }
        if let Err(error) = self.write(cache) {
            cache.drop_changes();
            if self.state == State::Doubtful {
                // Should this fail too, the next transaction tries again.
                let _ = self.clear(cache);
            }
            return Err(error);
        }
        self.state = State::Committed;
        // Committed is committed: what is left to do is tried again by the next transaction, or
        // done by the next mount.
        let _ = self.install(cache);
        Ok(())
    }

    /// Writes copies of the changed blocks, then the header.
    fn write<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        cache.write_copies(self.start + 1)?;
        cache.device.flush()?;
        self.header.fill(0);
        set_entry(&mut self.header, 0, cache.changed().len() as u32);
        for (index, block) in cache.changed().enumerate() {
            set_entry(&mut self.header, index + 1, block);
        }
        self.state = State::Doubtful;
        cache.device.write(self.start, &self.header)?;
        cache.device.flush()?;
        Ok(())
    }

    /// Writes the changed blocks home and clears the header.
    fn install<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        cache.write_home()?;
        cache.device.flush()?;
        self.clear(cache)?;
        cache.keep_changes();
        Ok(())
    }

    fn clear<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        self.header.fill(0);
        cache.device.write(self.start, &self.header)?;
        cache.device.flush()?;
        self.state = State::Clear;
        Ok(())
    }
}
