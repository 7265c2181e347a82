//! Who runs a file and who may write it. As long as a file is run, nobody can open it for writing, so that
//! its program does not change.

use crate::mm::{Commit, Machine};
use crate::sync::{SpinLock, rank};
use abi::Errno;
use frames::FRAME_SIZE;
use vm::Object;

/// Who runs a file and who may write it.
pub struct TextUse(SpinLock<Uses, { rank::DEVICE }>);

struct Uses {
    /// Above zero: regions that run the file. Below zero: open files that may write it.
    count: i32,
    /// The pages of a file that is run, which are not dropped while they are mapped.
    commit: Commit,
}

impl Uses {
    /// Adds a region to those there are; false if there are none.
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

    /// Adds a writer, unless the file is being run.
    pub(super) fn begin_write(&self) -> Result<(), Errno> {
        let mut uses = self.0.lock();
        if uses.count > 0 {
            return Err(Errno::TextBusy);
        }
        uses.count -= 1;
        Ok(())
    }

    /// Ends what [`TextUse::begin_write`] began.
    pub(super) fn end_write(&self) {
        self.0.lock().count += 1;
    }

    /// Whether the file is being run; also where that cannot be told at the moment.
    pub(super) fn may_be_run(&self) -> bool {
        self.0.try_lock().is_none_or(|uses| uses.count > 0)
    }

    /// Adds a region, unless the file is open for writing; with the first one all of the file's pages
    /// are promised.
    pub(super) fn begin_run(&self, object: &Object<Machine>) -> Result<(), Errno> {
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
            // Nobody writes the file now, but somebody may have since its size was looked at.
            if pages == object.size().div_ceil(FRAME_SIZE as u64) {
                uses.count = 1;
                uses.commit = commit;
                return Ok(());
            }
        }
    }

    /// Adds a region to those there are.
    pub(super) fn share_run(&self) {
        self.0.lock().count += 1;
    }

    /// Ends what [`TextUse::begin_run`] or [`TextUse::share_run`] began.
    pub(super) fn end_run(&self) {
        let mut uses = self.0.lock();
        uses.count -= 1;
        if uses.count == 0 {
            uses.commit = Commit::NONE;
        }
    }
}
