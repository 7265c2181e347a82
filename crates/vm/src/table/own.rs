//! Getting hold of entries one by one: tables that other spaces have too, and large pages, must
//! become a table of this space's own before an entry for one page can change.

use super::{Chunk, PageTable, Stale};
use crate::machine::{Frame, Spare};
use crate::sv39::{Entry, Level};
use crate::{Error, Machine};
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use frames::Pfn;

/// What will happen to tables that lie in a range as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// Their entries change.
    Change,
    /// They go, with all that is in them, and nobody needs to own them for that.
    Go,
}

impl<M: Machine> PageTable<M> {
    /// Whether it takes a table to change entries of a part of a chunk.
    fn needs_table(&self, chunk: Chunk, inside: &Range<u64>, whole: Whole) -> bool {
        let all = *inside == Level::LEAF.table_around(inside.start);
        match chunk {
            Chunk::Large(_) => !all,
            Chunk::Pages(_) if all && whole == Whole::Go => false,
            Chunk::Pages(table) => !self.machine.is_unique(table),
        }
    }

    /// Puts aside the frames that [`own`](Self::own) will need.
    pub(crate) fn reserve(&self, range: &Range<u64>, whole: Whole) -> Result<Spare<M>, Error> {
        let mut needed = 0;
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            needed += usize::from(self.needs_table(chunk, &inside, whole));
        }
        Spare::new(&self.machine, needed).ok_or(Error::NoMemory)
    }

    /// Makes sure that every entry for pages of `range` is this space's to change, with frames that
    /// were reserved for that range. Large pages that lie in it as a whole stay.
    pub(crate) fn own(&mut self, range: &Range<u64>, whole: Whole, mut spare: Spare<M>) {
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            // Others may have let go of a table since, but none can have got it.
            if self.needs_table(chunk, &inside, whole)
                && let Some(frame) = spare.take()
            {
                match chunk {
                    Chunk::Large(entry) => self.split(inside.start, entry, frame),
                    Chunk::Pages(table) => drop(self.own_table(inside.start, table, frame)),
                }
            }
        }
    }

    /// Replaces a table that other spaces have too by one with the same pages, which it returns.
    #[inline(never)]
    pub(super) fn own_table(&mut self, addr: u64, old: Pfn, new: Frame<M>) -> Pfn {
        let Some(slot) = self.chunk_slot(addr) else {
            return old;
        };
        let new = new.into_pfn();
        let twins = self.machine.table(new);
        for (slot, twin) in self.machine.table(old).iter().zip(twins) {
            let entry = Entry::load(slot);
            if self.counts(entry) {
                self.machine.retain(entry.pfn());
            }
            entry.store(twin);
        }
        Entry::table(new).store(slot);
        // The hardware may remember the way to the old table, which may be somebody else's next.
        self.flush(Stale::Many);
        self.let_go(old);
        new
    }

    /// Gives up a table that other spaces may have too, and that no hart walks for this space any
    /// more; with the last reference to it go those to its pages.
    #[inline(never)]
    pub(super) fn let_go(&self, table: Pfn) {
        if self.machine.release_unless_last(table) {
            return;
        }
        for slot in self.machine.table(table) {
            let entry = Entry::load(slot);
            if self.counts(entry) {
                self.machine.release(entry.pfn());
            }
        }
        self.machine.release(table);
    }

    /// Pages with a frame in a part of a table.
    pub(super) fn pages_among(&self, slots: &[AtomicU64]) -> usize {
        let zero = self.machine.zero_page();
        let entries = slots.iter().map(Entry::load);
        entries
            .filter(|entry| !entry.is_vacant() && entry.pfn() != zero)
            .count()
    }
}
