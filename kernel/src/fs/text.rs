//! Executors and writers of a file exclude each other, as with Linux's `i_writecount`: while a file is executed, it
//! cannot be opened for writing, and the other way round.

use crate::mm::{Commit, Machine};
use crate::sync::{SpinLock, rank};
use abi::Errno;
use frames::FRAME_SIZE;
use vm::Object;

/// The executors and writers of a file.
pub struct TextUse(SpinLock<Uses, { rank::DEVICE }>);

struct Uses {
    /// Positive: regions that execute the file. Negative: open files with write access.
    count: i32,
    /// The pages of an executed file: mapped pages are not reclaimable.
    commit: Commit,
}

impl Uses {
    /// Adds a region if there is one already; returns whether it did.
    fn join(&mut self) -> Result<bool, Errno> {
        if self.count < 0 {
            return Err(Errno::TextBusy);
        }
        let others = self.count > 0;
        self.count += i32::from(others);
        Ok(others)
    }
}

impl TextUse {
    pub(super) const fn new() -> TextUse {
        TextUse(SpinLock::new(Uses {
            count: 0,
            commit: Commit::NONE,
        }))
    }

    /// Adds a writer.
    ///
    /// # Errors
    /// `TextBusy` if the file is executed.
    pub(super) fn get_write_access(&self) -> Result<(), Errno> {
        let mut uses = self.0.lock();
        if uses.count > 0 {
            return Err(Errno::TextBusy);
        }
        uses.count -= 1;
        Ok(())
    }

    /// Removes a writer.
    pub(super) fn put_write_access(&self) {
        self.0.lock().count += 1;
    }

    /// Whether the file is executed; also true if the lock is held.
    pub(super) fn may_be_executed(&self) -> bool {
        self.0.try_lock().is_none_or(|uses| uses.count > 0)
    }

    /// Adds a region that executes the file. The first one commits all of the file's pages.
    ///
    /// # Errors
    /// `TextBusy` if the file is open for writing; `NoMemory`.
    pub(super) fn begin_exec(&self, object: &Object<Machine>) -> Result<(), Errno> {
        if self.0.lock().join()? {
            return Ok(());
        }
        loop {
            let pages = object.size().div_ceil(FRAME_SIZE as u64);
            let commit = Commit::try_new(Object::<Machine>::frames_for(pages) as usize)?;
            let mut uses = self.0.lock();
            if uses.join()? {
                return Ok(());
            }
            // The size may have changed before the lock was taken.
            if pages == object.size().div_ceil(FRAME_SIZE as u64) {
                uses.count = 1;
                uses.commit = commit;
                return Ok(());
            }
        }
    }

    /// Adds a region to a file that is executed already.
    pub(super) fn share_exec(&self) {
        self.0.lock().count += 1;
    }

    /// Removes a region.
    pub(super) fn end_exec(&self) {
        let mut uses = self.0.lock();
        uses.count -= 1;
        if uses.count == 0 {
            uses.commit = Commit::NONE;
        }
    }
}
