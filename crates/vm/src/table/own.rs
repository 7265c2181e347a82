//! Getting hold of entries one by one: tables that other spaces have too, and large pages, must
//! become a table of this space's own before an entry for one page can change.

use super::PageTable;
use crate::machine::{Frame, Spare};
use crate::{Error, Flush, Machine};
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Level};

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
    pub(crate) fn own(&self, range: &Range<u64>, whole: Whole, mut spare: Spare<M>) {
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
    pub(super) fn own_table(&self, addr: u64, old: Pfn, new: Frame<M>) {
        let new = new.into_pfn();
        let branch = self.at(Level::SUPERPAGE, addr);
        let entries = self.lock();
        let common = self.lock_common(old);
        for (slot, copy) in self.all_pages(old).zip(self.all_pages(new)) {
            if let Some(leaf) = slot.leaf().filter(|leaf| self.holds(leaf)) {
                self.machine.retain(leaf.pfn());
            }
            copy.init_like(slot);
        }
        branch.slot().replace(Entry::Branch(new));
        drop(common);
        self.shoot_down(Flush::Space);
        drop(entries);
        self.let_go(old, &Level::LEAF.table_around(addr));
    }

    /// Gives up a table that other spaces may have too, and that no hart walks for this space any
    /// more. With the last reference to it go those to its pages, which are all in `range`.
    #[inline(never)]
    pub(super) fn let_go(&self, table: Pfn, range: &Range<u64>) {
        if !self.machine.release_unless_last(table) {
            self.release_pages(table, range);
            self.machine.release(table);
        }
    }

    /// Releases the pages that an unlinked table has in `range`; how many of them were the space's own.
    #[inline(never)]
    pub(super) fn release_pages(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        let held = leaves.filter(|leaf| self.holds(leaf));
        held.fold(0, |own, leaf| {
            self.machine.release(leaf.pfn());
            own + usize::from(!leaf.is_borrowed())
        })
    }
}
