//! Taking pages and empty tables out.

use super::{PageTable, Stale, part};
use crate::Machine;
use crate::sv39::{Entry, Level, PAGE, Table};
use core::ops::Range;
use frames::Pfn;

impl<M: Machine> PageTable<M> {
    /// Takes out every page of `range` and every table that has nothing else in it. `free` is a
    /// range around it that has no entries but those of `range`: a table inside it is known to be
    /// empty afterwards without looking.
    ///
    /// Frames go back before the flush that the caller owes: the space is locked and this hart is
    /// in the kernel, so nobody reaches them through what the hardware still remembers.
    pub(crate) fn clear(&mut self, range: Range<u64>, free: &Range<u64>) -> Stale {
        let mut stale = Stale::Nothing;
        self.clear_in(Level::ROOT, self.root, range, free, &mut stale);
        stale
    }

    /// Clears the part of one table that `range`, not empty and inside its span, covers; tells
    /// whether the table is empty then.
    fn clear_in(
        &mut self,
        level: Level,
        table: Pfn,
        range: Range<u64>,
        free: &Range<u64>,
        stale: &mut Stale,
    ) -> bool {
        let span = level.table_around(range.start);
        let Some(below) = level.below() else {
            self.clear_leaf(table, &range, stale);
            return lies_in(&span, free)
                || is_empty(self.machine.table(table), level.index(range.start));
        };
        let mut addr = range.start;
        while addr < range.end {
            let next = below.table_around(addr).end.min(range.end);
            let index = level.index(addr);
            let entry = Entry::load(&self.machine.table(table)[index]);
            if !entry.is_vacant() && self.clear_in(below, entry.pfn(), addr..next, free, stale) {
                Entry::VACANT.store(&self.machine.table(table)[index]);
                self.machine.release(entry.pfn());
                self.tables -= 1;
                *stale = Stale::Many;
            }
            addr = next;
        }
        level != Level::ROOT
            && (lies_in(&span, free)
                || is_empty(self.machine.table(table), level.index(range.start)))
    }

    fn clear_leaf(&mut self, table: Pfn, range: &Range<u64>, stale: &mut Stale) {
        let zero = self.machine.zero_page();
        let mut addr = range.start;
        for slot in part(self.machine.table(table), range) {
            let entry = Entry::load(slot);
            if !entry.is_vacant() {
                Entry::VACANT.store(slot);
                if entry.pfn() != zero {
                    self.machine.release(entry.pfn());
                    self.resident -= 1;
                }
                *stale = stale.and_page(addr);
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
