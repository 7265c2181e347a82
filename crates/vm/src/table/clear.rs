//! Taking pages and empty tables out.

use super::large::FRAMES;
use super::{PageTable, Stale, part};
use crate::Machine;
use crate::sv39::{Entry, Level, PAGE, Table};
use core::ops::Range;
use frames::Pfn;

/// How a range is cleared.
struct Clearing<'a> {
    /// A range around it that has no entries but those of the range.
    free: &'a Range<u64>,
    /// Whether all that the space has goes, one range after the other.
    all: bool,
    /// Pages that went; not counted when all goes.
    pages: usize,
    stale: Stale,
}

impl Clearing<'_> {
    fn new(free: &Range<u64>, all: bool) -> Clearing<'_> {
        Clearing {
            free,
            all,
            pages: 0,
            stale: Stale::Nothing,
        }
    }
}

impl<M: Machine> PageTable<M> {
    /// Takes out every page of `range` and every table that has nothing else in it. `free` is a
    /// range around it that has no entries but those of `range`: a table inside it is known to be
    /// empty afterwards without looking. Tables of which only a part goes must be this space's own.
    ///
    /// Frames go back before the flush that the caller owes: the space is locked and this hart is
    /// in the kernel, so nobody reaches them through what the hardware still remembers.
    pub(crate) fn clear(&mut self, range: Range<u64>, free: &Range<u64>) -> Stale {
        self.close_placed(&range);
        let mut clearing = Clearing::new(free, false);
        self.clear_in(Level::ROOT, self.root, range, &mut clearing);
        self.resident -= clearing.pages;
        clearing.stale
    }

    /// As [`clear`](Self::clear), when all that is left in the table goes, from the lowest address
    /// upwards and until [`cleared`](Self::cleared) ends it. It takes no memory: a table that other
    /// spaces have too goes with the first of its ranges.
    pub(crate) fn tear_down(&mut self, range: Range<u64>, free: &Range<u64>) {
        self.close_placed(&range);
        let mut clearing = Clearing::new(free, true);
        self.clear_in(Level::ROOT, self.root, range, &mut clearing);
    }

    /// Nothing is left after [`tear_down`](Self::tear_down), which counts no pages: it need not look
    /// into tables that others keep.
    pub(crate) fn cleared(&mut self) {
        self.resident = 0;
    }

    /// Clears the part of one table that `range`, not empty and inside its span, covers; tells
    /// whether the table is empty then.
    fn clear_in(
        &mut self,
        level: Level,
        table: Pfn,
        range: Range<u64>,
        clearing: &mut Clearing<'_>,
    ) -> bool {
        let span = level.table_around(range.start);
        let Some(below) = level.below() else {
            self.clear_leaf(table, &range, clearing);
            return lies_in(&span, clearing.free)
                || is_empty(self.machine.table(table), level.index(range.start));
        };
        let mut addr = range.start;
        while addr < range.end {
            let next = below.table_around(addr).end.min(range.end);
            let index = level.index(addr);
            let entry = Entry::load(&self.machine.table(table)[index]);
            if !entry.is_vacant() && self.clear_entry(below, entry, addr..next, clearing) {
                Entry::VACANT.store(&self.machine.table(table)[index]);
                clearing.stale = Stale::Many;
            }
            addr = next;
        }
        level != Level::ROOT
            && (lies_in(&span, clearing.free)
                || is_empty(self.machine.table(table), level.index(range.start)))
    }

    /// Clears the part of what an entry above the leaves points to; tells whether that has gone.
    fn clear_entry(
        &mut self,
        below: Level,
        entry: Entry,
        range: Range<u64>,
        clearing: &mut Clearing<'_>,
    ) -> bool {
        if !entry.is_table() {
            self.machine.release_large(entry.pfn());
            self.large -= 1;
            clearing.pages += FRAMES;
            return true;
        }
        let table = entry.pfn();
        if below == Level::LEAF && !self.machine.is_unique(table) {
            let span = below.table_around(range.start);
            if !clearing.all && span != range && !lies_in(&span, clearing.free) {
                // Nobody made it the space's own, so nothing in it is the range's.
                return false;
            }
            if !clearing.all {
                clearing.pages += self.pages_among(self.machine.table(table));
            }
            self.let_go(table);
        } else if self.clear_in(below, table, range, clearing) {
            self.machine.release(table);
        } else {
            return false;
        }
        self.tables -= 1;
        true
    }

    fn clear_leaf(&self, table: Pfn, range: &Range<u64>, clearing: &mut Clearing<'_>) {
        let mut addr = range.start;
        for slot in part(self.machine.table(table), range) {
            let entry = Entry::load(slot);
            if !entry.is_vacant() {
                Entry::VACANT.store(slot);
                if self.counts(entry) {
                    self.machine.release(entry.pfn());
                    clearing.pages += 1;
                }
                clearing.stale = clearing.stale.and_page(addr);
            }
            addr += PAGE;
        }
    }
}

fn lies_in(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Whether all entries are vacant; looks at those around `near` first, where any are likely.
fn is_empty(table: &Table, near: usize) -> bool {
    let (below, above) = table.split_at(near & 511);
    above
        .iter()
        .chain(below.iter().rev())
        .all(|slot| Entry::load(slot).is_vacant())
}
