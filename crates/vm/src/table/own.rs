//! Getting hold of entries one by one: tables that other spaces have too, and large pages, must
//! become a table of this space's own before an entry for one page can change.

use super::PageTable;
use crate::machine::{Frame, Spare};
use crate::{Error, Flush, Machine};
use abi::Use;
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level};

/// Whether this is all that one entry above the leaves spans.
fn is_whole(inside: &Range<u64>) -> bool {
    *inside == Level::LEAF.table_around(inside.start)
}

impl<M: Machine> PageTable<M> {
    /// Puts aside the frames that [`own`](Self::own) will need: for large pages that are this space's
    /// alone and of which a part lies in the range. For what forks left to several spaces there are spares.
    pub(crate) fn reserve(&self, range: &Range<u64>) -> Result<Spare<M>, Error> {
        if self.large.get() == 0 {
            return Ok(Spare::none(&self.machine));
        }
        let partial = self.chunks(range).filter(|(entry, inside)| {
            let marked = || self.at(Level::SUPERPAGE, inside.start).slot().is_marked();
            entry.leaf().is_some() && !is_whole(inside) && !marked()
        });
        Spare::new(&self.machine, partial.count()).ok_or(Error::NoMemory)
    }

    /// Makes sure that every entry for pages of `range` is this space's to change, with frames that
    /// were reserved for that range. Large pages that lie in it as a whole stay.
    pub(crate) fn own(&self, range: &Range<u64>, mut reserved: Spare<M>) {
        if reserved.is_empty() && self.spares() == 0 {
            return;
        }
        for (entry, inside) in self.chunks(range) {
            let cursor = self.at(Level::SUPERPAGE, inside.start);
            if entry.leaf().is_none() || !is_whole(&inside) && cursor.slot().is_marked() {
                self.own_entry(&cursor);
            } else if !is_whole(&inside)
                && let Some(frame) = reserved.take()
            {
                self.split(&cursor, frame);
            }
        }
    }

    /// As [`own`](Self::own), where all of `range` goes next, so that only what sticks out of it needs a
    /// table. It takes no memory. Parts of large pages may be gone already when it returns.
    pub(crate) fn own_ends(&self, range: &Range<u64>) {
        if range.is_empty() || self.spares() == 0 && self.large.get() == 0 {
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
                Entry::Leaf(leaf) if !cursor.slot().is_marked() => {
                    self.cut_large(&cursor, leaf, &inside);
                }
                _ => self.own_entry(&cursor),
            }
        }
    }

    /// Makes what an entry above the leaves leads to this space's own: the spare that the mark stands for
    /// becomes the table, or goes back if the others have let go.
    #[inline(never)]
    pub(super) fn own_entry(&self, cursor: &Cursor<M>) {
        if !cursor.slot().is_marked() {
            return;
        }
        match cursor.entry() {
            Entry::Branch(table) if self.machine.is_unique(table) => {
                cursor.slot().unmark();
                drop(self.take_spare());
            }
            entry => {
                let Some(frame) = self.take_spare() else {
                    debug_assert!(false, "a mark without a spare");
                    return;
                };
                match entry {
                    Entry::Branch(table) => self.own_table(cursor, table, frame),
                    _ => self.split(cursor, frame),
                }
            }
        }
    }

    /// Replaces a table that other spaces have too by one with the same pages.
    #[inline(never)]
    fn own_table(&self, branch: &Cursor<M>, old: Pfn, new: Frame<M>) {
        let new = new.into_pfn();
        let entries = self.lock();
        let common = self.lock_common(old);
        for (slot, copy) in self.all_pages(old).zip(self.all_pages(new)) {
            if let Some(leaf) = slot.leaf().filter(|leaf| self.holds(leaf)) {
                self.machine.retain(leaf.pfn());
            }
            copy.init_like(slot);
        }
        branch.slot().replace(Entry::Branch(new));
        drop(common);
        self.shoot_down(Flush::Space);
        drop(entries);
        self.let_go(old, &Level::LEAF.table_around(branch.addr()));
    }

    /// Cuts `gone` out of a large page that is this space's alone. The rest needs a table, and gets it in a
    /// frame that goes.
    #[inline(never)]
    fn cut_large(&self, cursor: &Cursor<M>, large: Leaf, gone: &Range<u64>) {
        debug_assert!(self.machine.is_unique_large(large.pfn()), "not ours alone");
        self.change(|stale| {
            cursor.slot().take();
            *stale = Flush::Space;
        });
        self.machine.part_large(large.pfn());
        let part = |addr| large.part(Level::SUPERPAGE, addr);
        let table = part(gone.start).pfn();
        self.machine.label(table, Use::PageTable);
        for (addr, slot) in self.pages(table, &Level::LEAF.table_around(gone.start)) {
            slot.init(match gone.contains(&addr) {
                true => Entry::Empty,
                false => Entry::Leaf(part(addr)),
            });
        }
        self.change(|_| cursor.slot().set(Entry::Branch(table)));
        let pages = gone.clone().step_by(abi::PAGE_SIZE);
        let freed = pages.clone().skip(1);
        freed.for_each(|addr| self.machine.release(part(addr).pfn()));
        self.large.sub(1);
        self.tables.add(1);
        self.resident.sub(pages.count());
    }

    /// Gives up a table that other spaces may have too, and that no hart walks for this space any
    /// more. With the last reference to it go those to its pages, which are all in `range`.
    #[inline(never)]
    pub(super) fn let_go(&self, table: Pfn, range: &Range<u64>) {
        if !self.machine.release_unless_last(table) {
            self.release_pages(table, range);
            self.machine.release(table);
        }
    }

    /// Releases the pages that an unlinked table has in `range`; how many of them were the space's own.
    #[inline(never)]
    pub(super) fn release_pages(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        let held = leaves.filter(|leaf| self.holds(leaf));
        held.fold(0, |own, leaf| {
            self.machine.release(leaf.pfn());
            own + usize::from(!leaf.is_borrowed())
        })
    }
}
