//! Moving pages to other addresses.

use super::{PageTable, Stale, part};
use crate::sv39::{Entry, Level, PAGE};
use crate::{Error, Machine};
use core::ops::Range;

impl<M: Machine> PageTable<M> {
    /// Makes the tables that the pages of `range` need when they move to `to`, where nothing is. What
    /// was made when it fails is empty, and goes by clearing the place.
    pub(crate) fn make_way(&mut self, range: &Range<u64>, to: u64) -> Result<(), Error> {
        let mut from = range.start;
        while let Some((table, inside)) = self.next_leaf(from..range.end) {
            from = inside.end;
            let mut addr = inside.start;
            while addr < inside.end {
                // As far as one table reaches where the pages go.
                let new = to + (addr - range.start);
                let reach = Level::LEAF.table_around(new).end - new;
                let next = (addr + reach).min(inside.end);
                let slots = part(self.machine.table(table), &(addr..next));
                if slots.iter().any(|slot| !Entry::load(slot).is_vacant()) {
                    let place = self.place(new)?;
                    self.link(new, place);
                }
                addr = next;
            }
        }
        Ok(())
    }

    /// Moves the pages of `range` to `to`, which way was made for. Their tables stay, empty ones too,
    /// until the range is cleared.
    pub(crate) fn relocate(&mut self, range: &Range<u64>, to: u64) -> Stale {
        let mut stale = Stale::Nothing;
        let mut from = range.start;
        while let Some((table, inside)) = self.next_leaf(from..range.end) {
            let mut addr = inside.start;
            for slot in part(self.machine.table(table), &inside) {
                let entry = Entry::load(slot);
                let new = to + (addr - range.start);
                if !entry.is_vacant()
                    && let Some(leaf) = self.table_at(Level::LEAF, new)
                {
                    entry.store(&self.machine.table(leaf)[Level::LEAF.index(new)]);
                    Entry::VACANT.store(slot);
                    stale = stale.and_page(addr);
                }
                addr += PAGE;
            }
            from = inside.end;
        }
        stale
    }
}
