//! Letting a child have the same pages, copy on write.

use super::{PageTable, Stale, part};
use crate::sv39::{Entry, PAGE};
use crate::{Error, Machine};
use core::ops::Range;
use frames::Pfn;

impl<M: Machine> PageTable<M> {
    /// Maps the pages of `range` that are present here in `child` too, read-only on both sides, each
    /// with a reference more. Tells what of this space changed; as much of it as was done is undone
    /// by clearing the child.
    pub(crate) fn share(
        &self,
        range: Range<u64>,
        child: &mut PageTable<M>,
        stale: &mut Stale,
    ) -> Result<(), Error> {
        let mut from = range.start;
        while let Some((table, part)) = self.next_leaf(from..range.end) {
            from = part.end;
            self.share_leaf(table, part, child, stale)?;
        }
        Ok(())
    }

    fn share_leaf(
        &self,
        table: Pfn,
        range: Range<u64>,
        child: &mut PageTable<M>,
        stale: &mut Stale,
    ) -> Result<(), Error> {
        let slots = part(self.machine.table(table), &range);
        let Some(first) = slots.iter().position(|slot| !Entry::load(slot).is_vacant()) else {
            return Ok(());
        };
        let leaf = child
            .place(range.start)
            .map(|place| child.link(range.start, place))?;
        let twins = part(child.machine.table(leaf), &range);
        let zero = self.machine.zero_page();
        let mut resident = 0;
        let mut addr = range.start + first as u64 * PAGE;
        for (slot, twin) in slots.iter().zip(twins).skip(first) {
            let entry = Entry::load(slot);
            if !entry.is_vacant() {
                if entry.pfn() != zero {
                    self.machine.retain(entry.pfn());
                    resident += 1;
                }
                if entry.is_writable() {
                    entry.without_write().store(slot);
                    *stale = stale.and_page(addr);
                }
                entry.without_write().store(twin);
            }
            addr += PAGE;
        }
        child.resident += resident;
        Ok(())
    }
}
