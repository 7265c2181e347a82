//! Commit accounting of shared anonymous memory.

use super::Object;
use super::pages::{Preload, frames_for};
use crate::{Error, Machine};
use core::sync::atomic::Ordering;

impl<M: Machine> Object<M> {
    /// Commits the first `pages` pages, as far as they are not committed yet; returns how many were before.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] beyond the commit limit, with nothing done.
    pub(crate) fn commit(&self, pages: u64) -> Result<u64, Error> {
        // The array is kernel memory, which is not committed: it is allocated now.
        self.reserve_links(pages)?;
        loop {
            let old = self.committed.load(Ordering::Relaxed);
            if pages <= old {
                return Ok(old);
            }
            let more = frames_for(pages) - frames_for(old);
            if !self.machine.commit(more) {
                return Err(Error::NoMemory);
            }
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let won = self
                .committed
                .compare_exchange(old, pages, success, failure);
            if won.is_ok() {
                return Ok(old);
            }
            self.machine.uncommit(more);
        }
    }

    /// Undoes a commit of `pages` pages, back to `old`, unless another caller has committed more since.
    pub(crate) fn uncommit(&self, pages: u64, old: u64) {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let back = || {
            self.committed
                .compare_exchange(pages, old, success, failure)
                .is_ok()
        };
        if old < pages && back() {
            self.machine.uncommit(frames_for(pages) - frames_for(old));
        }
    }

    /// Allocates the array for so many pages, so that adding a page takes frames only.
    fn reserve_links(&self, pages: u64) -> Result<(), Error> {
        let needs = self.state.lock().pages.needs_links(pages);
        let mut preload = Preload::try_new(&self.machine, needs)?;
        self.state.lock().pages.accept(&mut preload, needs);
        Ok(())
    }
}
