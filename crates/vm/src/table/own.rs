//! Getting hold of entries one by one: tables that other spaces have too, and large pages, must
//! become a table of this space's own before an entry for one page can change.

use super::{PageTable, Stale};
use crate::machine::{Frame, Spare};
use crate::{Error, Machine};
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Level, Slot};

/// What will happen to tables that lie in a range as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// Their entries change.
    Change,
    /// They go, with all that is in them, and nobody needs to own them for that.
    Go,
}

impl<M: Machine> PageTable<M> {
    /// Whether it takes a table to change entries of a part of what an entry spans.
    fn needs_table(&self, entry: Entry, inside: &Range<u64>, whole: Whole) -> bool {
        let all = *inside == Level::LEAF.table_around(inside.start);
        match entry {
            Entry::Empty => false,
            Entry::Leaf(_) => !all,
            Entry::Branch(_) if all && whole == Whole::Go => false,
            Entry::Branch(table) => !self.machine.is_unique(table),
        }
    }

    /// Puts aside the frames that [`own`](Self::own) will need.
    pub(crate) fn reserve(&self, range: &Range<u64>, whole: Whole) -> Result<Spare<M>, Error> {
        let chunks = self.chunks(range);
        let needed = chunks.filter(|(entry, inside)| self.needs_table(*entry, inside, whole));
        Spare::new(&self.machine, needed.count()).ok_or(Error::NoMemory)
    }

    /// Makes sure that every entry for pages of `range` is this space's to change, with frames that
    /// were reserved for that range. Large pages that lie in it as a whole stay.
    pub(crate) fn own(&mut self, range: &Range<u64>, whole: Whole, mut spare: Spare<M>) {
        if spare.is_empty() {
            return;
        }
        for (entry, inside) in self.chunks(range) {
            // Others may have let go of a table since, but none can have got it.
            if self.needs_table(entry, &inside, whole)
                && let Some(frame) = spare.take()
            {
                match entry {
                    Entry::Branch(table) => self.own_table(inside.start, table, frame),
                    _ => self.split(inside.start, frame),
                }
            }
        }
    }

    /// Replaces a table that other spaces have too by one with the same pages.
    #[inline(never)]
    pub(super) fn own_table(&mut self, addr: u64, old: Pfn, new: Frame<M>) {
        let new = new.into_pfn();
        for (slot, copy) in self.all_pages(old).zip(self.all_pages(new)) {
            if let Some(leaf) = slot.leaf().filter(|leaf| self.counts(leaf)) {
                self.machine.retain(leaf.pfn());
            }
            copy.init_like(slot);
        }
        let branch = self.at(Level::SUPERPAGE, addr);
        branch.slot().replace(Entry::Branch(new));
        // The hardware may remember the way to the old table, which may be somebody else's next.
        self.flush(Stale::Many);
        self.let_go(old);
    }

    /// Gives up a table that other spaces may have too, and that no hart walks for this space any
    /// more; with the last reference to it go those to its pages.
    #[inline(never)]
    pub(super) fn let_go(&self, table: Pfn) {
        if self.machine.release_unless_last(table) {
            return;
        }
        let leaves = self.all_pages(table).filter_map(Slot::leaf);
        let counted = leaves.filter(|leaf| self.counts(leaf));
        counted.for_each(|leaf| self.machine.release(leaf.pfn()));
        self.machine.release(table);
    }
}
