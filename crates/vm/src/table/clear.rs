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

impl Unlinked {
    fn pages(table: Pfn, range: &Range<u64>) -> Unlinked {
        let place = |addr| Level::LEAF.index(addr) as u16;
        Unlinked::Pages(table, place(range.start), place(range.end - 1))
    }
}

/// What was taken out and is freed after a flush.
struct Gather<'a> {
    /// A range that has no entries but those that go.
    free: &'a Range<u64>,
    /// Whether all that the space has goes, one range after the other, and no TLB matters any more.
    all: bool,
    stale: Flush,
    /// Where it waits; nowhere if no TLB matters.
    unlinked: &'a mut [Option<Unlinked>],
    waiting: usize,
}

impl<M: Machine> PageTable<M> {
    /// Takes out and frees every page of `range` and every table that has nothing else in it. `free` is a
    /// range around it that has no entries but those of `range`: a table inside it goes as a whole. Tables
    /// of which only a part goes must be this space's own.
    pub(crate) fn clear(&self, range: Range<u64>, free: &Range<u64>) {
        self.clear_range(range, free, &mut [None; TABLES]);
    }

    /// Others do not look into the table any more, for the space goes.
    pub(crate) fn close(&self) {
        self.lock().gone = true;
    }

    /// As [`clear`](Self::clear), when all that is left in the table goes, from the lowest address
    /// upwards and until [`cleared`](Self::cleared) ends it. No hart runs on the table any more, so it
    /// flushes nothing, and takes no lock as the table is [closed](Self::close): what a TLB has of it is
    /// tagged with an ASID that no other space gets before the TLB is flushed. It takes no memory: a table
    /// that other spaces have too goes with the first of its ranges.
    pub(crate) fn tear_down(&self, range: Range<u64>, free: &Range<u64>) {
        self.clear_range(range, free, &mut []);
    }

    /// Nothing is left after [`tear_down`](Self::tear_down), which counts no pages in tables that others
    /// keep: it need not look into them.
    pub(crate) fn cleared(&self) {
        self.drop_spares();
        self.resident.set(0);
    }

    fn clear_range(&self, range: Range<u64>, free: &Range<u64>, unlinked: &mut [Option<Unlinked>]) {
        if range.is_empty() {
            return;
        }
        let mut gather = Gather {
            free,
            all: unlinked.is_empty(),
            stale: Flush::Nothing,
            unlinked,
            waiting: 0,
        };
        self.clear_in(Level::ROOT, self.root, &range, &mut gather);
        self.flush_and_free(&mut gather);
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
            self.unmark(slot);
            if gather.all {
                slot.take();
                self.free(unlinked, true);
                continue;
            }
            self.change_unflushed(|| slot.take());
            gather.stale = Flush::Space;
            if gather.waiting == TABLES {
                self.flush_and_free(gather);
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
        let span = level.table_around(range.start);
        let free = lies_in(&span, gather.free);
        if level != Level::LEAF {
            self.clear_in(level, table, range, gather);
            let empty = || !gather.all && self.machine.is_empty(table, level, range.start);
            return (free || empty()).then_some(Unlinked::Empty(table));
        }
        if !free && !self.machine.is_unique(table) {
            // Unless all goes, nobody made it the space's own, so nothing in it is the range's.
            return gather.all.then(|| Unlinked::pages(table, &span));
        }
        if free || !gather.all && self.machine.is_empty_outside(table, level, range) {
            return Some(Unlinked::pages(table, range));
        }
        match gather.all {
            true => drop(self.release_pages(table, range)),
            false => self.clear_pages(table, range),
        }
        None
    }

    /// Takes out and frees pages of a table that stays.
    #[inline(never)]
    fn clear_pages(&self, table: Pfn, range: &Range<u64>) {
        let mut pages = self.pages(table, range);
        let mut next = pages.find(|(_, slot)| slot.get() != Entry::Empty);
        while let Some((start, _)) = next {
            let (mut frames, mut count, mut own) = ([Pfn::new(0); PAGES], 0, 0);
            next = self.change(|stale| {
                for (addr, slot) in self.pages(table, &(start..range.end)) {
                    if slot.get() == Entry::Empty {
                        continue;
                    }
                    let Some(place) = frames.get_mut(count) else {
                        return Some((addr, slot));
                    };
                    if let Some(leaf) = slot.take().leaf().filter(|leaf| self.holds(leaf)) {
                        *place = leaf.pfn();
                        count += 1;
                        own += usize::from(!leaf.is_borrowed());
                    }
                    *stale = stale.and_page(addr);
                }
                None
            });
            let frames = frames.iter().take(count);
            frames.for_each(|&pfn| self.machine.release(pfn));
            self.resident.sub(own);
        }
    }

    /// Flushes, and frees what has waited for it.
    fn flush_and_free(&self, gather: &mut Gather<'_>) {
        if gather.waiting > 0 {
            self.flush(take(&mut gather.stale));
        }
        let waiting = gather.unlinked.iter_mut().take(gather.waiting);
        let waiting = waiting.filter_map(Option::take);
        waiting.for_each(|unlinked| self.free(unlinked, false));
        gather.waiting = 0;
    }

    #[inline(never)]
    fn free(&self, unlinked: Unlinked, all: bool) {
        match unlinked {
            Unlinked::Large(block) => {
                self.machine.release_large(block);
                self.large.sub(1);
                return self.resident.sub(FRAMES);
            }
            Unlinked::Empty(table) => self.machine.release(table),
            Unlinked::Pages(table, first, last) => {
                let range = u64::from(first) * PAGE..(u64::from(last) + 1) * PAGE;
                if self.machine.is_unique(table) {
                    self.resident.sub(self.release_pages(table, &range));
                    self.machine.release(table);
                } else {
                    if !all {
                        self.resident.sub(self.pages_among(table, &range));
                    }
                    self.let_go(table, &range);
                }
            }
        }
        self.tables.sub(1);
    }
}

fn lies_in(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
