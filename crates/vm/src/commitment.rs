//! Committed frames.

use crate::{Error, Machine};

/// Committed frames of a space; dropping it uncommits them.
pub(crate) struct Commitment<M: Machine> {
    machine: M,
    frames: u64,
}

impl<M: Machine> Commitment<M> {
    pub(crate) fn new(machine: M, frames: u64) -> Result<Commitment<M>, Error> {
        let mut commitment = Commitment { machine, frames: 0 };
        commitment.grow(frames)?;
        Ok(commitment)
    }

    /// Commits more frames.
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Error> {
        if !self.machine.commit(more) {
            return Err(Error::NoMemory);
        }
        self.frames += more;
        Ok(())
    }

    /// Uncommits what exceeds `needed`.
    pub(crate) fn shrink(&mut self, needed: u64) {
        debug_assert!(self.frames >= needed, "{} of {needed}", self.frames);
        let surplus = self.frames.saturating_sub(needed);
        if surplus > 0 {
            self.frames -= surplus;
            self.machine.uncommit(surplus);
        }
    }
}

impl<M: Machine> Drop for Commitment<M> {
    fn drop(&mut self) {
        self.machine.uncommit(self.frames);
    }
}
