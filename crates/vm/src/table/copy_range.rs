//! Copying page tables for fork, copy on write.

use super::PageTable;
use crate::{Error, Flush, Machine};
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Leaf, Level};

/// Entries from which on fork shares a leaf table. A smaller one costs as much to copy later, at the first
/// write, as now.
const MANY: usize = 64;

/// State of a copy, and what it found out about the last leaf table.
pub(crate) struct CopyRange<F> {
    /// Whether all mappings in a range are private.
    private: F,
    /// End of the span of that table.
    end: u64,
    /// Whether the child shares it.
    shares_table: bool,
    /// What to flush for the parent.
    pub(crate) stale: Flush,
}

impl<F: Fn(Range<u64>) -> bool> CopyRange<F> {
    pub(crate) fn new(private: F) -> CopyRange<F> {
        CopyRange {
            private,
            end: 0,
            shares_table: false,
            stale: Flush::Nothing,
        }
    }
}

impl<M: Machine> PageTable<M> {
    /// Maps the private pages of `range` in `child` too, read-only on both sides. A leaf table with many pages,
    /// all private, is shared; of others the entries are copied. Ranges come in order of address. The child,
    /// which nobody else knows yet, does not count the pages, see [`set_resident`](Self::set_resident). After
    /// an error, dropping the child undoes the copy.
    pub(crate) fn copy_range<F: Fn(Range<u64>) -> bool>(
        &self,
        range: Range<u64>,
        child: &PageTable<M>,
        copy: &mut CopyRange<F>,
    ) -> Result<(), Error> {
        for (entry, inside) in self.chunks(&range) {
            let table = match entry {
                Entry::Empty => continue,
                Entry::Branch(table) => table,
                Entry::Leaf(leaf) => {
                    self.copy_superpage(inside.start, leaf, child, &mut copy.stale)?;
                    continue;
                }
            };
            let span = Level::LEAF.table_around(inside.start);
            if copy.end != span.end {
                copy.end = span.end;
                copy.shares_table = self.has_many(table) && (copy.private)(span);
                if copy.shares_table {
                    self.share_table(inside.start, table, child, &mut copy.stale)?;
                }
            }
            if !copy.shares_table {
                self.copy_pages(table, inside, child, &mut copy.stale)?;
            }
        }
        Ok(())
    }

    /// Sets the resident count after a fork.
    pub(crate) fn set_resident(&self, pages: usize) {
        self.resident.set(pages);
    }

    #[inline(never)]
    fn has_many(&self, table: Pfn) -> bool {
        !self.machine.is_unique(table) || self.machine.has_entries(table, MANY)
    }

    fn copy_superpage(
        &self,
        addr: u64,
        leaf: Leaf,
        child: &PageTable<M>,
        stale: &mut Flush,
    ) -> Result<(), Error> {
        let pte = child.alloc_superpage_tables(addr)?;
        let own = self.at(Level::SUPERPAGE, addr);
        child.deposit()?;
        self.ensure_deposit(own.slot())?;
        self.machine.retain_large(leaf.pfn());
        pte.slot().set(Entry::Leaf(leaf.write_protected()));
        pte.slot().set_deposit();
        child.large.add(1);
        let _entries = self.lock();
        if own.slot().write_protect() {
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
        let pte = child.alloc_superpage_tables(addr)?;
        child.deposit()?;
        self.ensure_deposit(self.at(Level::SUPERPAGE, addr).slot())?;
        let _entries = self.lock();
        if self.machine.is_unique(table) && self.write_protect_table(table) {
            *stale = Flush::Space;
        }
        self.machine.retain(table);
        pte.slot().set(Entry::Branch(table));
        pte.slot().set_deposit();
        child.tables.add(1);
        Ok(())
    }

    /// Write-protects all pages of a leaf table; returns whether any was writable. A loop by itself, so that
    /// the compiler has all registers for it.
    #[inline(never)]
    fn write_protect_table(&self, table: Pfn) -> bool {
        let any = self.machine.has_writable(table);
        if any {
            self.all_pages(table).for_each(|slot| {
                slot.write_protect();
            });
        }
        any
    }

    fn copy_pages(
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
        let pte = child.prealloc_tables(child.look_up(first))?;
        let copies = child.alloc_tables(pte).table();
        let copies = child.pages(copies, &range);
        let _entries = self.lock();
        let _shared = self.lock_shared_table(table);
        for ((addr, slot), (_, copy)) in self.pages(table, &range).zip(copies) {
            let Some(leaf) = slot.leaf() else { continue };
            if self.has_ref(&leaf) {
                self.machine.retain(leaf.pfn());
            }
            if slot.write_protect() {
                *stale = stale.and_page(addr);
            }
            copy.set(Entry::Leaf(leaf.write_protected()));
        }
        Ok(())
    }
}
