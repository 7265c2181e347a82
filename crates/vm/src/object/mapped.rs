//! The list of an object's windows, for reverse mapping.

use super::Object;
use crate::{Error, Machine, PageTable};
use fallible::{KArc, KVec};

/// A place where an object is mapped: in this page table, the entry for page `n` can only be at `delta + n *
/// PAGE`. Its frame tells whether it maps the object's page.
pub struct Mapped<M: Machine> {
    /// The page table.
    pub table: KArc<PageTable<M>>,
    /// Address minus offset, modulo 2^64.
    pub delta: u64,
}

impl<M: Machine> Clone for Mapped<M> {
    fn clone(&self) -> Mapped<M> {
        Mapped {
            table: self.table.clone(),
            delta: self.delta,
        }
    }
}

impl<M: Machine> PartialEq for Mapped<M> {
    fn eq(&self, other: &Mapped<M>) -> bool {
        KArc::ptr_eq(&self.table, &other.table) && self.delta == other.delta
    }
}

impl<M: Machine> Object<M> {
    /// Adds a window to the list.
    pub(crate) fn link(&self, window: &Mapped<M>) -> Result<(), Error> {
        loop {
            let mut state = self.state.lock();
            let count = state.mapped.len();
            if count < state.mapped.capacity() {
                let added = state.mapped.push_reserved(window.clone());
                debug_assert!(added.is_ok(), "there was room for the window");
                return Ok(());
            }
            drop(state);
            self.refit((2 * count).max(4))?;
        }
    }

    /// Removes a window from the list.
    pub(crate) fn unlink(&self, window: &Mapped<M>) {
        let mut state = self.state.lock();
        let place = state.mapped.iter().rposition(|other| other == window);
        debug_assert!(place.is_some(), "the window is not on the list");
        // The window has the page table too.
        // The order stays, see `rmap.rs`.
        place.map(|place| state.mapped.remove(place));
        let (count, room) = (state.mapped.len(), state.mapped.capacity());
        if count == 0 {
            state.mapped = KVec::new();
        } else if room > 8 && count <= room / 4 {
            drop(state);
            // Without memory for a shorter list it stays as it is.
            let _ = self.refit(room / 2);
        }
    }

    /// Reallocates the list for `room` windows, if they fit.
    #[cold]
    fn refit(&self, room: usize) -> Result<(), Error> {
        let mut other = KVec::try_with_capacity(room)?;
        let mut state = self.state.lock();
        if state.mapped.len() <= room {
            core::mem::swap(&mut state.mapped, &mut other);
            for window in other.iter() {
                let moved = state.mapped.push_reserved(window.clone());
                debug_assert!(moved.is_ok(), "the new list has no room");
            }
        }
        // The old list is dropped without the lock.
        drop(state);
        Ok(())
    }

    /// Calls `tell` with every window. The object is locked meanwhile.
    pub fn for_each_mapped(&self, tell: impl FnMut(&Mapped<M>)) {
        self.state.lock().mapped.iter().for_each(tell);
    }
}
