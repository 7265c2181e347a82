//! Letting a child have the same pages, copy on write.

use super::{Chunk, PageTable, Stale, part};
use crate::sv39::{Entry, Level, PAGE};
use crate::{Error, Machine};
use core::ops::Range;
use frames::Pfn;

/// Entries in a table from which on parent and child have the table together. Below, the entries are
/// copied: such a table costs as much to copy later, when one of them touches it, as now.
const MANY: usize = 64;

/// What was found out about sharing the table that was looked at last.
pub(crate) struct Sharing<F> {
    /// Whether all that is mapped in a range is private.
    private: F,
    /// End of the addresses of that table.
    end: u64,
    /// Whether the child has it.
    whole: bool,
    /// What of the parent changed.
    pub(crate) stale: Stale,
}

impl<F: Fn(Range<u64>) -> bool> Sharing<F> {
    pub(crate) fn new(private: F) -> Sharing<F> {
        Sharing {
            private,
            end: 0,
            whole: false,
            stale: Stale::Nothing,
        }
    }
}

impl<M: Machine> PageTable<M> {
    /// Maps the pages of `range`, which are private, in `child` too, read-only on both sides: as whole
    /// tables where there are many and nothing but private pages, and otherwise each with a reference
    /// more. Ranges come in order of address. The child does not count what it gets, see
    /// [`set_resident`](Self::set_resident); as much as was done is undone by tearing it down.
    pub(crate) fn share<F: Fn(Range<u64>) -> bool>(
        &self,
        range: Range<u64>,
        child: &mut PageTable<M>,
        sharing: &mut Sharing<F>,
    ) -> Result<(), Error> {
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            let table = match chunk {
                Chunk::Large(entry) => {
                    self.share_large(inside.start, entry, child, &mut sharing.stale)?;
                    continue;
                }
                Chunk::Pages(table) => table,
            };
            let span = Level::LEAF.table_around(inside.start);
            if sharing.end != span.end {
                sharing.end = span.end;
                sharing.whole = self.has_many(table) && (sharing.private)(span);
                if sharing.whole {
                    self.share_table(inside.start, table, child, &mut sharing.stale)?;
                }
            }
            if !sharing.whole {
                self.share_pages(table, inside, child, &mut sharing.stale)?;
            }
        }
        Ok(())
    }

    /// The pages that a fork gave this table.
    pub(crate) fn set_resident(&mut self, pages: usize) {
        self.resident = pages;
    }

    fn has_many(&self, table: Pfn) -> bool {
        let many = || {
            let slots = self.machine.table(table).iter();
            let present = slots.filter(|slot| !Entry::load(slot).is_vacant());
            present.take(MANY).count() == MANY
        };
        !self.machine.is_unique(table) || many()
    }

    fn share_large(
        &self,
        addr: u64,
        entry: Entry,
        child: &mut PageTable<M>,
        stale: &mut Stale,
    ) -> Result<(), Error> {
        let twin = child.make_chunk_slot(addr)?;
        self.machine.retain_large(entry.pfn());
        entry.without_write().store(twin);
        child.large += 1;
        if let Some(slot) = self.chunk_slot(addr).filter(|_| entry.is_writable()) {
            entry.without_write().store(slot);
            *stale = Stale::Many;
        }
        Ok(())
    }

    fn share_table(
        &self,
        addr: u64,
        table: Pfn,
        child: &mut PageTable<M>,
        stale: &mut Stale,
    ) -> Result<(), Error> {
        let twin = child.make_chunk_slot(addr)?;
        if self.machine.is_unique(table) {
            for slot in self.machine.table(table) {
                let entry = Entry::load(slot);
                if entry.is_writable() {
                    entry.without_write().store(slot);
                    *stale = Stale::Many;
                }
            }
        }
        self.machine.retain(table);
        Entry::table(table).store(twin);
        child.tables += 1;
        Ok(())
    }

    fn share_pages(
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
        let mut addr = range.start + first as u64 * PAGE;
        for (slot, twin) in slots.iter().zip(twins).skip(first) {
            let entry = Entry::load(slot);
            if !entry.is_vacant() {
                if self.counts(entry) {
                    self.machine.retain(entry.pfn());
                }
                if entry.is_writable() {
                    entry.without_write().store(slot);
                    *stale = stale.and_page(addr);
                }
                entry.without_write().store(twin);
            }
            addr += PAGE;
        }
        Ok(())
    }
}
