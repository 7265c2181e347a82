//! Unsharing: before an entry of one page changes, a shared leaf table is copied and a large page is split.

use super::PageTable;
use crate::machine::{Frame, Prealloc};
use crate::{Error, Flush, Machine};
use abi::Use;
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level};

/// Whether this is the whole span of a leaf table.
fn is_full_table(inside: &Range<u64>) -> bool {
    *inside == Level::LEAF.table_around(inside.start)
}

impl<M: Machine> PageTable<M> {
    /// Reserves the frames for [`unshare`](Self::unshare): one for each large page that is not shared and
    /// partly in the range. For shared ones there are deposits.
    pub(crate) fn reserve(&self, range: &Range<u64>) -> Result<Prealloc<M>, Error> {
        if self.large.get() == 0 {
            return Ok(Prealloc::none(&self.machine));
        }
        let partial = self.chunks(range).filter(|(entry, inside)| {
            let has_deposit = || self.at(Level::SUPERPAGE, inside.start).slot().has_deposit();
            entry.leaf().is_some() && !is_full_table(inside) && !has_deposit()
        });
        Prealloc::new(&self.machine, partial.count()).ok_or(Error::NoMemory)
    }

    /// Unshares the leaf tables and splits the large pages of `range`, with the frames that were reserved.
    /// Large pages wholly in the range stay.
    pub(crate) fn unshare(&self, range: &Range<u64>, mut reserved: Prealloc<M>) {
        if reserved.is_empty() && self.deposits() == 0 {
            return;
        }
        for (entry, inside) in self.chunks(range) {
            let cursor = self.at(Level::SUPERPAGE, inside.start);
            if entry.leaf().is_none() || !is_full_table(&inside) && cursor.slot().has_deposit() {
                self.unshare_entry(&cursor);
            } else if !is_full_table(&inside)
                && let Some(frame) = reserved.pop()
            {
                self.split(&cursor, frame);
            }
        }
    }

    /// As [`unshare`](Self::unshare), before all of `range` is unmapped: only the tables and large pages at its
    /// ends are needed. It allocates nothing. Parts of large pages may be unmapped already on return.
    pub(crate) fn unshare_ends(&self, range: &Range<u64>) {
        if range.is_empty() || self.deposits() == 0 && self.large.get() == 0 {
            return;
        }
        for addr in [range.start, range.end - 1] {
            let span = Level::LEAF.table_around(addr);
            let inside = range.start.max(span.start)..range.end.min(span.end);
            let cursor = self.at(Level::SUPERPAGE, addr);
            if inside == span || cursor.level() != Level::SUPERPAGE {
                continue;
            }
            match cursor.entry() {
                Entry::Leaf(leaf) if !cursor.slot().has_deposit() => {
                    self.cut_large(&cursor, leaf, &inside);
                }
                _ => self.unshare_entry(&cursor),
            }
        }
    }

    /// Unshares what a superpage entry leads to: the deposit becomes the copied or split table; if nobody else
    /// shares the table any more, the deposit is freed.
    #[inline(never)]
    pub(super) fn unshare_entry(&self, cursor: &Cursor<M>) {
        if !cursor.slot().has_deposit() {
            return;
        }
        match cursor.entry() {
            Entry::Branch(table) if self.machine.is_unique(table) => {
                cursor.slot().clear_deposit();
                drop(self.withdraw());
            }
            entry => {
                let Some(frame) = self.withdraw() else {
                    debug_assert!(false, "a mark without a prealloc");
                    return;
                };
                match entry {
                    Entry::Branch(table) => self.unshare_table(cursor, table, frame),
                    _ => self.split(cursor, frame),
                }
            }
        }
    }

    /// Replaces a shared leaf table with a copy.
    #[inline(never)]
    fn unshare_table(&self, branch: &Cursor<M>, old: Pfn, new: Frame<M>) {
        let new = new.into_pfn();
        let entries = self.lock();
        let shared_table = self.lock_shared_table(old);
        for (slot, copy) in self.all_pages(old).zip(self.all_pages(new)) {
            if let Some(leaf) = slot.leaf().filter(|leaf| self.has_ref(leaf)) {
                self.machine.retain(leaf.pfn());
            }
            copy.init_like(slot);
        }
        branch.slot().replace(Entry::Branch(new));
        drop(shared_table);
        self.shoot_down(Flush::Space);
        drop(entries);
        self.release_table(old, &Level::LEAF.table_around(branch.addr()));
    }

    /// Unmaps a range of a large page that is not shared. One of the unmapped frames becomes the table for the
    /// rest.
    #[inline(never)]
    fn cut_large(&self, cursor: &Cursor<M>, large: Leaf, unmapped: &Range<u64>) {
        debug_assert!(self.machine.is_unique_large(large.pfn()), "not ours alone");
        self.change(|stale| {
            cursor.slot().take();
            *stale = Flush::Space;
        });
        self.machine.split_large(large.pfn());
        let part = |addr| large.page_at(Level::SUPERPAGE, addr);
        let table = part(unmapped.start).pfn();
        self.machine.label(table, Use::PageTable);
        for (addr, slot) in self.pages(table, &Level::LEAF.table_around(unmapped.start)) {
            slot.init(match unmapped.contains(&addr) {
                true => Entry::Empty,
                false => Entry::Leaf(part(addr)),
            });
        }
        self.change(|_| cursor.slot().set(Entry::Branch(table)));
        let pages = unmapped.clone().step_by(abi::PAGE_SIZE);
        let freed = pages.clone().skip(1);
        freed.for_each(|addr| self.machine.release(part(addr).pfn()));
        self.large.sub(1);
        self.tables.add(1);
        self.resident.sub(pages.count());
    }

    /// Drops the reference to an unlinked leaf table. With the last one, releases its pages, all of which are
    /// in `range`.
    #[inline(never)]
    pub(super) fn release_table(&self, table: Pfn, range: &Range<u64>) {
        if !self.machine.release_unless_last(table) {
            self.release_pages(table, range);
            self.machine.release(table);
        }
    }

    /// Releases the pages of an unlinked table in `range`; returns how many were resident pages of the space.
    #[inline(never)]
    pub(super) fn release_pages(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        let held = leaves.filter(|leaf| self.has_ref(leaf));
        held.fold(0, |own, leaf| {
            self.machine.release(leaf.pfn());
            own + usize::from(!leaf.is_borrowed())
        })
    }
}
