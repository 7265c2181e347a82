//! What a machine promises for shared anonymous memory, so that its pages can be had when they are touched.

use super::Object;
use super::pages::{Room, frames_for};
use crate::{Error, Machine};
use core::sync::atomic::Ordering;

impl<M: Machine> Object<M> {
    /// Has the machine promise so many pages from the first on, if it has not yet; how many it had.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] where it does not; nothing is promised in addition then.
    pub(crate) fn promise(&self, pages: u64) -> Result<u64, Error> {
        // What is not a frame is not promised, so it has to be there.
        self.reserve_links(pages)?;
        loop {
            let old = self.promised.load(Ordering::Relaxed);
            if pages <= old {
                return Ok(old);
            }
            let more = frames_for(pages) - frames_for(old);
            if !self.machine.commit(more) {
                return Err(Error::NoMemory);
            }
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let won = self.promised.compare_exchange(old, pages, success, failure);
            if won.is_ok() {
                return Ok(old);
            }
            self.machine.uncommit(more);
        }
    }

    /// Takes a promise of so many pages back for the one before, unless somebody has had it made
    /// larger since.
    pub(crate) fn unpromise(&self, pages: u64, old: u64) {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let back = || {
            self.promised
                .compare_exchange(pages, old, success, failure)
                .is_ok()
        };
        if old < pages && back() {
            self.machine.uncommit(frames_for(pages) - frames_for(old));
        }
    }

    /// Makes sure that listing one of so many pages takes nothing but frames.
    fn reserve_links(&self, pages: u64) -> Result<(), Error> {
        let needs = self.state.lock().pages.needs_links(pages);
        let mut room = Room::try_new(&self.machine, needs)?;
        self.state.lock().pages.accept(&mut room, needs);
        Ok(())
    }
}
