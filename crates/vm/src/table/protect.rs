//! Changing the rights of pages that are there.

use super::{Chunk, PageTable, Stale, part};
use crate::Machine;
use crate::sv39::{Entry, PAGE};
use abi::Prot;
use core::ops::Range;

impl<M: Machine> PageTable<M> {
    /// Gives the pages of `range`, which the space owns, the rights `prot`, but for write access
    /// that they do not have: a fault gives it, when it knows who else has the frame.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: Prot) -> Stale {
        let mut stale = Stale::Nothing;
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            match chunk {
                Chunk::Pages(table) => self.protect_pages(table, &inside, prot, &mut stale),
                Chunk::Large(entry) => {
                    let changed = entry.with_rights(prot);
                    self.set_large(inside.start, changed);
                    if !changed.prot().contains(entry.prot()) {
                        stale = Stale::Many;
                    }
                }
            }
        }
        stale
    }

    fn protect_pages(&self, table: frames::Pfn, range: &Range<u64>, prot: Prot, stale: &mut Stale) {
        let mut addr = range.start;
        for slot in part(self.machine.table(table), range) {
            let entry = Entry::load(slot);
            let changed = entry.with_rights(prot);
            if !entry.is_vacant() && changed != entry {
                changed.store(slot);
                if !changed.prot().contains(entry.prot()) {
                    *stale = stale.and_page(addr);
                }
            }
            addr += PAGE;
        }
    }
}
