//! Changing the rights of pages that are there.

use super::{PageTable, Stale, part};
use crate::Machine;
use crate::sv39::{Entry, PAGE};
use abi::Prot;
use core::ops::Range;

impl<M: Machine> PageTable<M> {
    /// Gives the pages of `range` that are there the rights `prot`, but for write access that they
    /// do not have: a fault gives it, when it knows who else has the frame.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: Prot) -> Stale {
        let mut stale = Stale::Nothing;
        let mut from = range.start;
        while let Some((table, inside)) = self.next_leaf(from..range.end) {
            let mut addr = inside.start;
            for slot in part(self.machine.table(table), &inside) {
                let entry = Entry::load(slot);
                let changed = entry.with_rights(prot);
                if !entry.is_vacant() && changed != entry {
                    changed.store(slot);
                    if !changed.prot().contains(entry.prot()) {
                        stale = stale.and_page(addr);
                    }
                }
                addr += PAGE;
            }
            from = inside.end;
        }
        stale
    }
}
