//! Changing the permissions of mapped pages.

use super::PageTable;
use crate::{Flush, Machine};
use abi::Prot;
use core::ops::Range;
use paging::{Entry, Level, Slot};

impl<M: Machine> PageTable<M> {
    /// Sets the permissions of the pages of `range`, which are unshared, to `prot`, except that it adds no
    /// write access: a fault adds that, after it checked who shares the frame. On return no TLB has the removed
    /// permissions.
    pub(crate) fn protect(&self, range: Range<u64>, prot: Prot) {
        let mut stale = Flush::Nothing;
        let loses_rights = |slot: Slot<'_>| {
            let changed = slot.change(|leaf| leaf.with_prot(prot));
            changed.is_some_and(|(old, new)| !new.prot().contains(old.prot()))
        };
        for (entry, inside) in self.chunks(&range) {
            self.change_deferred(|| {
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
