//! Frames that forks put aside, so that a space which shares tables and large pages with others need not
//! ask for memory to get out of that: giving back a part of them cannot fail, nor can a write for want of
//! a table.
//!
//! A space has one spare for each entry that is marked, and a fork marks, on both sides, the entries of
//! the tables and large pages that it leaves to both. So what others have too is always marked. What
//! they have let go of since stays marked until somebody looks: the spare goes back when the space changes
//! something there, and for all of them with [`release_spares`](PageTable::release_spares). Otherwise it
//! goes with the entry, becoming its table where one is needed.
//!
//! Each is promised by the machine by itself: what the regions may take is the table that the spare is to
//! become, and that the space may have besides while others still have the old one.

use super::PageTable;
use crate::machine::Frame;
use crate::{Error, Machine};
use frames::Pfn;
use paging::{Cursor, Entry, Level, Slot};

impl<M: Machine> PageTable<M> {
    /// Frames put aside.
    #[inline]
    pub fn spares(&self) -> usize {
        self.spare_count.get()
    }

    /// Names the frames put aside, for those who account for all frames.
    pub fn for_each_spare(&self, act: impl FnMut(Pfn)) {
        self.spares.lock().for_each(act);
    }

    /// Puts a frame aside.
    pub(super) fn add_spare(&self) -> Result<(), Error> {
        if !self.machine.commit(1) {
            return Err(Error::NoMemory);
        }
        let Some(frame) = Frame::any(&self.machine) else {
            self.machine.uncommit(1);
            return Err(Error::NoMemory);
        };
        self.spares.lock().put(frame);
        self.spare_count.add(1);
        Ok(())
    }

    /// One of the spares. It is not promised any more.
    pub(super) fn take_spare(&self) -> Option<Frame<M>> {
        let frame = self.spares.lock().take()?;
        self.spare_count.sub(1);
        self.machine.uncommit(1);
        Some(frame)
    }

    /// Marks an entry that others will have too, with a spare for it.
    pub(super) fn mark(&self, slot: Slot<'_>) -> Result<(), Error> {
        if !slot.is_marked() {
            self.add_spare()?;
            slot.mark();
        }
        Ok(())
    }

    /// Gives the spare for an entry back, which does not need it any more, or goes.
    #[inline]
    pub(super) fn unmark(&self, slot: Slot<'_>) {
        if slot.is_marked() {
            slot.unmark();
            drop(self.take_spare());
        }
    }

    /// Gives the spare for the table or large page at a place back if nobody else has that any more.
    fn unmark_if_unique(&self, cursor: &Cursor<M>) {
        let unique = match cursor.entry() {
            Entry::Empty => true,
            Entry::Branch(table) => self.machine.is_unique(table),
            Entry::Leaf(leaf) => self.machine.is_unique_large(leaf.pfn()),
        };
        if unique {
            self.unmark(cursor.slot());
        }
    }

    /// Gives the spare for the large page at `addr`, or for the table, back, which is this space's alone.
    #[inline]
    pub(crate) fn release_spare(&self, addr: u64) {
        if self.spares() > 0 {
            self.unmark_if_unique(&self.at(Level::SUPERPAGE, addr));
        }
    }

    /// Gives all spares back for what nobody else has any more.
    pub(crate) fn release_spares(&self) {
        if self.spares() == 0 {
            return;
        }
        for (_, inside) in self.chunks(&(0..abi::MAXVA)) {
            let cursor = self.at(Level::SUPERPAGE, inside.start);
            if cursor.slot().is_marked() {
                self.unmark_if_unique(&cursor);
            }
        }
    }

    /// Gives all spares back; no entry is left that they are for.
    pub(super) fn drop_spares(&self) {
        while self.take_spare().is_some() {}
    }
}
