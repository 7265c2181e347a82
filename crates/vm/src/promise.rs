//! A machine's promise of frames.

use crate::{Error, Machine};

/// Frames that a machine has promised.
pub(crate) struct Promise<M: Machine> {
    machine: M,
    frames: u64,
}

impl<M: Machine> Promise<M> {
    pub(crate) fn new(machine: M, frames: u64) -> Result<Promise<M>, Error> {
        let mut promise = Promise { machine, frames: 0 };
        promise.grow(frames)?;
        Ok(promise)
    }

    /// Has the machine promise more.
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Error> {
        if !self.machine.commit(more) {
            return Err(Error::NoMemory);
        }
        self.frames += more;
        Ok(())
    }

    /// Gives back what is more than `needed`.
    pub(crate) fn shrink(&mut self, needed: u64) {
        debug_assert!(self.frames >= needed, "{} of {needed}", self.frames);
        let surplus = self.frames.saturating_sub(needed);
        if surplus > 0 {
            self.frames -= surplus;
            self.machine.uncommit(surplus);
        }
    }
}

impl<M: Machine> Drop for Promise<M> {
    fn drop(&mut self) {
        self.machine.uncommit(self.frames);
    }
}
