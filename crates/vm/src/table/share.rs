//! Letting a child have the same pages, copy on write.

use super::PageTable;
use crate::{Error, Flush, Machine};
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Leaf, Level};

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
    pub(crate) stale: Flush,
}

impl<F: Fn(Range<u64>) -> bool> Sharing<F> {
    pub(crate) fn new(private: F) -> Sharing<F> {
        Sharing {
            private,
            end: 0,
            whole: false,
            stale: Flush::Nothing,
        }
    }
}

impl<M: Machine> PageTable<M> {
    /// Maps the pages of `range`, which are private, in `child` too, read-only on both sides: as whole
    /// tables where there are many and nothing but private pages, and otherwise each with a reference
    /// more. Ranges come in order of address. The child, which nobody else knows yet, does not count what it
    /// gets, see [`set_resident`](Self::set_resident); as much as was done is undone by tearing it down.
    pub(crate) fn share<F: Fn(Range<u64>) -> bool>(
        &self,
        range: Range<u64>,
        child: &PageTable<M>,
        sharing: &mut Sharing<F>,
    ) -> Result<(), Error> {
        for (entry, inside) in self.chunks(&range) {
            let table = match entry {
                Entry::Empty => continue,
                Entry::Branch(table) => table,
                Entry::Leaf(leaf) => {
                    self.share_large(inside.start, leaf, child, &mut sharing.stale)?;
                    continue;
                }
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
    pub(crate) fn set_resident(&self, pages: usize) {
        self.resident.set(pages);
    }

    #[inline(never)]
    fn has_many(&self, table: Pfn) -> bool {
        let many = || {
            let present = self.all_pages(table).filter(|slot| slot.leaf().is_some());
            present.take(MANY).count() == MANY
        };
        !self.machine.is_unique(table) || many()
    }

    fn share_large(
        &self,
        addr: u64,
        leaf: Leaf,
        child: &PageTable<M>,
        stale: &mut Flush,
    ) -> Result<(), Error> {
        let room = child.make_superpage_room(addr)?;
        let own = self.at(Level::SUPERPAGE, addr);
        child.add_spare()?;
        self.mark(own.slot())?;
        self.machine.retain_large(leaf.pfn());
        room.slot().set(Entry::Leaf(leaf.without_write()));
        room.slot().mark();
        child.large.add(1);
        let _entries = self.lock();
        if own.slot().forbid_write() {
            *stale = Flush::Space;
        }
        Ok(())
    }

    fn share_table(
        &self,
        addr: u64,
        table: Pfn,
        child: &PageTable<M>,
        stale: &mut Flush,
    ) -> Result<(), Error> {
        let room = child.make_superpage_room(addr)?;
        child.add_spare()?;
        self.mark(self.at(Level::SUPERPAGE, addr).slot())?;
        let _entries = self.lock();
        if self.machine.is_unique(table) && self.forbid_writes(table) {
            *stale = Flush::Space;
        }
        self.machine.retain(table);
        room.slot().set(Entry::Branch(table));
        room.slot().mark();
        child.tables.add(1);
        Ok(())
    }

    /// Makes all pages of a table read-only, and tells whether any could be written. A loop by itself, for
    /// which all registers are free.
    #[inline(never)]
    fn forbid_writes(&self, table: Pfn) -> bool {
        let slots = self.all_pages(table);
        slots.fold(false, |any, slot| slot.forbid_write() | any)
    }

    fn share_pages(
        &self,
        table: Pfn,
        range: Range<u64>,
        child: &PageTable<M>,
        stale: &mut Flush,
    ) -> Result<(), Error> {
        let mut present = self
            .pages(table, &range)
            .skip_while(|(_, slot)| slot.leaf().is_none());
        let Some((first, _)) = present.next() else {
            return Ok(());
        };
        let range = first..range.end;
        let room = child.reserve_room(child.look_up(first))?;
        let copies = child.make_room(room).table();
        let copies = child.pages(copies, &range);
        let _entries = self.lock();
        let _common = self.lock_common(table);
        for ((addr, slot), (_, copy)) in self.pages(table, &range).zip(copies) {
            let Some(leaf) = slot.leaf() else { continue };
            if self.holds(&leaf) {
                self.machine.retain(leaf.pfn());
            }
            if slot.forbid_write() {
                *stale = stale.and_page(addr);
            }
            copy.set(Entry::Leaf(leaf.without_write()));
        }
        Ok(())
    }
}
