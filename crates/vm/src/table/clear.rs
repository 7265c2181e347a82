//! Unmapping ranges: freeing pages, and tables that become empty.

use super::PageTable;
use super::large::FRAMES;
use crate::{Flush, Machine};
use core::mem::take;
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Level, PAGE};

/// Tables and large pages per flush, at most.
const TABLES: usize = 16;
/// Pages per flush, at most, except those in tables that are unlinked as a whole.
const PAGES: usize = 64;

/// An unlinked table or large page.
#[derive(Clone, Copy)]
enum Unlinked {
    /// A table without entries.
    Empty(Pfn),
    /// A leaf table, with the first and the last index in it that may be in use.
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

/// What was unlinked and is freed after the flush, as Linux's `mmu_gather`.
struct MmuGather<'a> {
    /// A range with no other entries than those to unmap.
    free: &'a Range<u64>,
    /// Whether the space is torn down: all ranges in order of address, with no flush.
    all: bool,
    stale: Flush,
    /// Batch of unlinked tables; empty at teardown, which frees at once.
    unlinked: &'a mut [Option<Unlinked>],
    waiting: usize,
}

impl<M: Machine> PageTable<M> {
    /// Unmaps and frees every page of `range` and every table that becomes empty. `free` is a range around it
    /// with no entries but those of `range`: a table inside it is unlinked as a whole. Tables that are only
    /// partly in it must be unshared.
    pub(crate) fn clear(&self, range: Range<u64>, free: &Range<u64>) {
        self.clear_range(range, free, &mut [None; TABLES]);
    }

    /// Keeps reverse mapping out of the table, before the space is dropped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// As [`clear`](Self::clear), for all ranges of a closed table from the lowest address upwards, up to
    /// [`cleared`](Self::cleared). It flushes nothing, since no hart runs on the table and its ASID is not
    /// reused before a flush, and takes no lock, since the table is [closed](Self::close). It allocates
    /// nothing: a shared table is unlinked with the first of its ranges.
    pub(crate) fn tear_down(&self, range: Range<u64>, free: &Range<u64>) {
        self.clear_range(range, free, &mut []);
    }

    /// Ends [`tear_down`](Self::tear_down), which does not count pages in shared tables because it does not
    /// look into them.
    pub(crate) fn cleared(&self) {
        self.drop_deposits();
        self.resident.set(0);
    }

    fn clear_range(&self, range: Range<u64>, free: &Range<u64>, unlinked: &mut [Option<Unlinked>]) {
        if range.is_empty() {
            return;
        }
        let mut gather = MmuGather {
            free,
            all: unlinked.is_empty(),
            stale: Flush::Nothing,
            unlinked,
            waiting: 0,
        };
        self.clear_in(Level::ROOT, self.root, &range, &mut gather);
        self.flush_and_free(&mut gather);
    }

    /// Clears `range`, which is not empty and inside the span of `table`, a table above the leaf level.
    fn clear_in(&self, level: Level, table: Pfn, range: &Range<u64>, gather: &mut MmuGather<'_>) {
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
            self.drop_deposit(slot);
            if gather.all {
                slot.take();
                self.free(unlinked, true);
                continue;
            }
            self.change_deferred(|| slot.take());
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

    /// Clears `range` in a table below `level`; returns the table if nothing else is in it.
    fn clear_below(
        &self,
        level: Level,
        table: Pfn,
        range: &Range<u64>,
        gather: &mut MmuGather<'_>,
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
            // Except at teardown: it was not unshared, so it has no entry in the range.
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

    /// Unmaps and frees pages of a leaf table that stays linked.
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
                    if let Some(leaf) = slot.take().leaf().filter(|leaf| self.has_ref(leaf)) {
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

    /// Flushes, then frees the batch.
    fn flush_and_free(&self, gather: &mut MmuGather<'_>) {
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
                    self.release_table(table, &range);
                }
            }
        }
        self.tables.sub(1);
    }
}

fn lies_in(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
