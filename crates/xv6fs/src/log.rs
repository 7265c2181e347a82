//! The write-ahead log, which makes each transaction atomic.
//!
//! A commit has four steps, each flushed before the next begins: copy the changed blocks into the
//! log; write the log header, which names them in one atomic block write (the commit point); write
//! the blocks to their home locations; clear the header. Recovery after a crash repeats the last
//! two if the header is not clear. The log holds one transaction at a time.

use crate::cache::{Cache, Reuse};
use crate::device::{Block, BlockDevice};
use crate::error::Error;
use crate::layout::{Superblock, number_at, set_number};
use alloc::boxed::Box;

/// The state of the log header on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Empty: no transaction.
    Clear,
    /// A transaction is committed but not fully installed. Its buffers are still pinned.
    Committed,
    /// The disk failed while the header was written: it may or may not name an aborted transaction.
    Uncertain,
}

/// The log.
pub(crate) struct Log {
    start: u32,
    state: State,
    header: Box<Block>,
}

impl Log {
    /// The log of this file system; `header` is the buffer for its header.
    pub(crate) fn new(superblock: &Superblock, header: Box<Block>) -> Self {
        Self {
            start: superblock.logstart,
            state: State::Clear,
            header,
        }
    }

    /// Replays the transaction in the log, if there is one.
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
        if count > superblock.log_capacity() {
            return Err(Error::Corrupt("log: more blocks than it can hold"));
        }
        let logged = superblock.inodestart..superblock.size;
        for index in 1..=count {
            if !logged.contains(&number_at(&self.header, index as usize)) {
                return Err(Error::Corrupt("log: a block that is never logged"));
            }
        }
        for index in 1..=count {
            let copy = *cache.read(self.start + index, Reuse::Unlikely)?;
            let home = number_at(&self.header, index as usize);
            cache.modify_zeroed(home)?.copy_from_slice(&copy);
        }
        cache.write_home()?;
        cache.unpin_all();
        cache.device.flush()?;
        self.clear(cache)
    }

    /// Prepares for a transaction: finishes what an I/O error interrupted.
    ///
    /// # Errors
    /// [`Error::Device`] when the disk still fails.
    pub(crate) fn begin<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        match self.state {
            State::Clear => Ok(()),
            State::Committed => self.install(cache),
            State::Uncertain => self.clear(cache),
        }
    }

    /// Commits the current transaction. On `Ok` it will survive a crash, even if the disk failed
    /// after the header was written.
    ///
    /// # Errors
    /// [`Error::Device`]: the transaction is aborted. Only if the disk failed while writing the
    /// header and also fails to clear it may a later mount replay the transaction; within this
    /// mount no transaction starts before the header is clear.
    pub(crate) fn commit<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        if cache.changed().len() == 0 {
            return Ok(());
        }
        if let Err(error) = self.write(cache) {
            cache.discard();
            if self.state == State::Uncertain {
                // If this fails too, `begin` of the next transaction retries.
                let _ = self.clear(cache);
            }
            return Err(error);
        }
        self.state = State::Committed;
        // Past the commit point: the next transaction or mount finishes a failed install.
        let _ = self.install(cache);
        Ok(())
    }

    /// Writes the changed blocks to the log, then the header.
    fn write<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        cache.write_log(self.start + 1)?;
        cache.device.flush()?;
        self.header.fill(0);
        set_number(&mut self.header, 0, cache.changed().len() as u32);
        for (index, block) in cache.changed().enumerate() {
            set_number(&mut self.header, index + 1, block);
        }
        self.state = State::Uncertain;
        cache.device.write(self.start, &self.header)?;
        cache.device.flush()?;
        Ok(())
    }

    /// Writes the changed blocks to their home locations and clears the header.
    fn install<D: BlockDevice>(&mut self, cache: &mut Cache<D>) -> Result<(), Error> {
        cache.write_home()?;
        cache.device.flush()?;
        self.clear(cache)?;
        cache.unpin_all();
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
