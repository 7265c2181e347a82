//! Taking pages and empty tables out.

use super::PageTable;
use super::large::FRAMES;
use crate::{Flush, Machine};
use core::mem::take;
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Level, PAGE};

/// Tables and large pages that wait for one flush at most.
const TABLES: usize = 16;
/// Pages that wait for one flush at most, apart from those in tables that go as a whole.
const PAGES: usize = 64;

/// What no entry leads to any more.
#[derive(Clone, Copy)]
enum Unlinked {
    /// A table without entries.
    Empty(Pfn),
    /// A table of pages, and the first and the last place in it that may have one.
    Pages(Pfn, u16, u16),
    /// A large page.
    Large(Pfn),
}

/// What was taken out and is freed after a flush.
struct Gather<'a> {
    /// A range that has no entries but those that go.
    free: &'a Range<u64>,
    stale: Flush,
    unlinked: &'a mut [Option<Unlinked>; TABLES],
    waiting: usize,
}

impl<M: Machine> PageTable<M> {
    /// Takes out and frees every page of `range` and every table that has nothing else in it. `free` is a
    /// range around it that has no entries but those of `range`: a table inside it goes as a whole. Tables
    /// of which only a part goes must be this space's own.
    pub(crate) fn clear(&self, range: Range<u64>, free: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.close_placed(&range);
        let mut gather = Gather {
            free,
            stale: Flush::Nothing,
            unlinked: &mut [None; TABLES],
            waiting: 0,
        };
        self.clear_in(Level::ROOT, self.root, &range, &mut gather);
        self.free(&mut gather);
    }

    /// Clears the part of a table above the leaf level that `range`, not empty and inside its span,
    /// covers.
    fn clear_in(&self, level: Level, table: Pfn, range: &Range<u64>, gather: &mut Gather<'_>) {
        for (addr, slot) in self.machine.slots(table, level, range) {
            let part = addr.max(range.start)..(addr + level.entry_span()).min(range.end);
            let unlinked = match slot.get() {
                Entry::Empty => continue,
                Entry::Branch(table) => match self.clear_below(level, table, &part, gather) {
                    Some(unlinked) => unlinked,
                    None => continue,
                },
                Entry::Leaf(leaf) => Unlinked::Large(leaf.pfn()),
            };
            let entries = self.lock();
            slot.take();
            drop(entries);
            gather.stale = Flush::Space;
            if gather.waiting == TABLES {
                self.free(gather);
            }
            if let Some(place) = gather.unlinked.get_mut(gather.waiting) {
                *place = Some(unlinked);
                gather.waiting += 1;
            }
        }
    }

    /// Clears the part of a table below `level` that `range` covers, or returns the table if nothing else
    /// is in it.
    fn clear_below(
        &self,
        level: Level,
        table: Pfn,
        range: &Range<u64>,
        gather: &mut Gather<'_>,
    ) -> Option<Unlinked> {
        let level = level.below()?;
        let free = lies_in(&level.table_around(range.start), gather.free);
        if level != Level::LEAF {
            self.clear_in(level, table, range, gather);
            let goes = free || self.machine.is_empty(table, level, range.start);
            return goes.then_some(Unlinked::Empty(table));
        }
        if !free && !self.machine.is_unique(table) {
            // Nobody made it the space's own, so nothing in it is the range's.
            return None;
        }
        if free || self.machine.is_empty_outside(table, level, range) {
            let place = |addr| Level::LEAF.index(addr) as u16;
            let (first, last) = (place(range.start), place(range.end - 1));
            return Some(Unlinked::Pages(table, first, last));
        }
        self.clear_pages(table, range);
        None
    }

    /// Takes out and frees pages of a table that stays.
    #[inline(never)]
    fn clear_pages(&self, table: Pfn, range: &Range<u64>) {
        let mut pages = self.pages(table, range);
        let mut next = pages.find(|(_, slot)| slot.get() != Entry::Empty);
        while let Some((start, _)) = next {
            let (mut frames, mut count) = ([Pfn::new(0); PAGES], 0);
            next = self.change(|stale| {
                for (addr, slot) in self.pages(table, &(start..range.end)) {
                    if slot.get() == Entry::Empty {
                        continue;
                    }
                    let Some(place) = frames.get_mut(count) else {
                        return Some((addr, slot));
                    };
                    if let Some(leaf) = slot.take().leaf().filter(|leaf| self.counts(leaf)) {
                        *place = leaf.pfn();
                        count += 1;
                    }
                    *stale = stale.and_page(addr);
                }
                None
            });
            let frames = frames.iter().take(count);
            frames.for_each(|&pfn| self.machine.release(pfn));
            self.resident.sub(count);
        }
    }

    /// Flushes, and frees what has waited for it.
    fn free(&self, gather: &mut Gather<'_>) {
        self.shoot_down(take(&mut gather.stale));
        let waiting = gather.unlinked.iter_mut().take(gather.waiting);
        for unlinked in waiting.filter_map(Option::take) {
            match unlinked {
                Unlinked::Large(block) => {
                    self.machine.release_large(block);
                    self.large.sub(1);
                    self.resident.sub(FRAMES);
                    continue;
                }
                Unlinked::Empty(table) => self.machine.release(table),
                Unlinked::Pages(table, first, last) => {
                    self.free_table(
                        table,
                        &(u64::from(first) * PAGE..(u64::from(last) + 1) * PAGE),
                    );
                }
            }
            self.tables.sub(1);
        }
        gather.waiting = 0;
    }

    /// Frees a table of pages, which are all in `range`, counted from any address that a table begins at.
    fn free_table(&self, table: Pfn, range: &Range<u64>) {
        let pages = if self.machine.is_unique(table) {
            let pages = self.release_pages(table, range);
            self.machine.release(table);
            pages
        } else {
            let pages = self.pages_among(table, range);
            self.let_go(table, range);
            pages
        };
        self.resident.sub(pages);
    }

    /// As [`clear`](Self::clear), when all that is left in the table goes, from the lowest address
    /// upwards and until [`cleared`](Self::cleared) ends it. No hart runs on the table any more, and nobody
    /// changes it; so it flushes nothing. What a TLB has of it is tagged with an ASID that no other space
    /// gets before the TLB is flushed. It takes no memory: a table that other spaces have too goes with
    /// the first of its ranges.
    pub(crate) fn tear_down(&self, range: Range<u64>, free: &Range<u64>) {
        if !range.is_empty() {
            self.close_placed(&range);
            self.tear_down_in(Level::ROOT, self.root, &range, free);
        }
    }

    fn tear_down_in(&self, level: Level, table: Pfn, range: &Range<u64>, free: &Range<u64>) {
        for (addr, slot) in self.machine.slots(table, level, range) {
            let part = addr.max(range.start)..(addr + level.entry_span()).min(range.end);
            let gone = match (slot.get(), level.below()) {
                (Entry::Branch(table), Some(below)) => {
                    self.tear_down_below(below, table, &part, free)
                }
                (Entry::Leaf(leaf), _) => {
                    self.machine.release_large(leaf.pfn());
                    self.large.sub(1);
                    true
                }
                _ => false,
            };
            if gone {
                slot.take();
            }
        }
    }

    /// The same for the part of a table of `level`; tells whether the table went.
    fn tear_down_below(
        &self,
        level: Level,
        table: Pfn,
        range: &Range<u64>,
        free: &Range<u64>,
    ) -> bool {
        let last = lies_in(&level.table_around(range.start), free);
        if level != Level::LEAF {
            self.tear_down_in(level, table, range, free);
        } else if !self.machine.is_unique(table) {
            self.let_go(table, &level.table_around(range.start));
            self.tables.sub(1);
            return true;
        } else {
            self.release_pages(table, range);
        }
        if last {
            self.machine.release(table);
            self.tables.sub(1);
        }
        last
    }

    /// Nothing is left after [`tear_down`](Self::tear_down), which counts no pages: it need not look
    /// into tables that others keep.
    pub(crate) fn cleared(&self) {
        self.resident.set(0);
    }
}

fn lies_in(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
