//! Changing the rights of pages that are there.

use super::PageTable;
use crate::{Flush, Machine};
use abi::Prot;
use core::ops::Range;
use paging::{Entry, Level, Slot};

impl<M: Machine> PageTable<M> {
    /// Gives the pages of `range`, which the space owns, the rights `prot`, but for write access
    /// that they do not have: a fault gives it, when it knows who else has the frame. Rights that go are gone
    /// when it returns.
    pub(crate) fn protect(&self, range: Range<u64>, prot: Prot) {
        let mut stale = Flush::Nothing;
        let loses_rights = |slot: Slot<'_>| {
            let changed = slot.change(|leaf| leaf.with_rights(prot));
            changed.is_some_and(|(old, new)| !new.prot().contains(old.prot()))
        };
        for (entry, inside) in self.chunks(&range) {
            self.change_unflushed(|| {
                if let Entry::Branch(table) = entry {
                    for (addr, slot) in self.pages(table, &inside) {
                        if loses_rights(slot) {
                            stale = stale.and_page(addr);
                        }
                    }
                } else if loses_rights(self.at(Level::SUPERPAGE, inside.start).slot()) {
                    stale = Flush::Space;
                }
            });
        }
        self.flush(stale);
    }
}
