//! Taking pages and empty tables out.

use super::large::FRAMES;
use super::{PageTable, Stale};
use crate::Machine;
use core::mem::replace;
use core::ops::Range;
use frames::Pfn;
use paging::{Entry, Level};

/// Tables that wait for one flush at most.
const BATCH: usize = 16;

/// A table that no entry leads to any more.
struct Unlinked {
    table: Pfn,
    /// Whether other spaces had it too when it was taken out; otherwise it is empty.
    common: bool,
}

/// How a range is cleared.
struct Clearing<'a> {
    /// A range around it that has no entries but those of the range.
    free: &'a Range<u64>,
    /// Whether all that the space has goes, one range after the other.
    all: bool,
    /// Pages that went; not counted when all goes.
    pages: usize,
    stale: Stale,
    /// What waits for the flush.
    unlinked: [Option<Unlinked>; BATCH],
    waiting: usize,
}

impl Clearing<'_> {
    fn new(free: &Range<u64>, all: bool) -> Clearing<'_> {
        Clearing {
            free,
            all,
            pages: 0,
            stale: Stale::Nothing,
            unlinked: [const { None }; BATCH],
            waiting: 0,
        }
    }
}

impl<M: Machine> PageTable<M> {
    /// Takes out every page of `range` and every table that has nothing else in it. `free` is a
    /// range around it that has no entries but those of `range`: a table inside it is known to be
    /// empty afterwards without looking. Tables of which only a part goes must be this space's own.
    /// The hardware has forgotten all that when it returns.
    ///
    /// Tables go back after the flush. Hardware walks ahead of any access, by the way to a table that
    /// it remembers; what it found in a frame with other contents it might keep, even for all spaces,
    /// and where it sets the bits for "accessed" itself, it might write there.
    ///
    /// Frames of pages go back before the flush. Whatever the hardware remembers of a page, only an
    /// access to its address comes to the frame: none by the program, which is in the kernel and on
    /// no other hart; none by the kernel, which copies to and from a program while nothing changes
    /// its table; and one that the hardware only tries is a load, for stores wait until they are
    /// certain, and the bits for "accessed" and "dirty" are set from the start.
    pub(crate) fn clear(&mut self, range: Range<u64>, free: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.close_placed(&range);
        let mut clearing = Clearing::new(free, false);
        self.clear_in(Level::ROOT, self.root, &range, &mut clearing);
        self.resident -= clearing.pages;
        self.settle(&mut clearing);
    }

    /// As [`clear`](Self::clear), when all that is left in the table goes, from the lowest address
    /// upwards and until [`cleared`](Self::cleared) ends it. It takes no memory: a table that other
    /// spaces have too goes with the first of its ranges. It flushes nothing, for no hart walks these
    /// tables any more, and whatever one remembers of them has a number that no space will get
    /// before the hart forgets it.
    pub(crate) fn tear_down(&mut self, range: Range<u64>, free: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.close_placed(&range);
        let mut clearing = Clearing::new(free, true);
        self.clear_in(Level::ROOT, self.root, &range, &mut clearing);
    }

    /// Nothing is left after [`tear_down`](Self::tear_down), which counts no pages: it need not look
    /// into tables that others keep.
    pub(crate) fn cleared(&mut self) {
        self.resident = 0;
    }

    /// Clears the part of a table above the leaf level that `range`, not empty and inside its span,
    /// covers.
    fn clear_in(
        &mut self,
        level: Level,
        table: Pfn,
        range: &Range<u64>,
        clearing: &mut Clearing<'_>,
    ) {
        let machine = self.machine.clone();
        for (addr, slot) in machine.slots(table, level, range) {
            let part = addr.max(range.start)..(addr + level.entry_span()).min(range.end);
            let gone = match slot.get() {
                Entry::Empty => continue,
                Entry::Branch(table) => match self.clear_below(level, table, &part, clearing) {
                    Some(unlinked) => Some(unlinked),
                    None => continue,
                },
                Entry::Leaf(leaf) => {
                    self.machine.release_large(leaf.pfn());
                    self.large -= 1;
                    clearing.pages += FRAMES;
                    None
                }
            };
            slot.take();
            clearing.stale = Stale::Many;
            if let Some(unlinked) = gone {
                self.part_with(unlinked, clearing);
            }
        }
    }

    /// Clears the part of a table below `level` that `range` covers; returns the table if nothing else
    /// is in it.
    fn clear_below(
        &mut self,
        level: Level,
        table: Pfn,
        range: &Range<u64>,
        clearing: &mut Clearing<'_>,
    ) -> Option<Unlinked> {
        let level = level.below()?;
        let span = level.table_around(range.start);
        let free = lies_in(&span, clearing.free);
        let common = level == Level::LEAF && !self.machine.is_unique(table);
        if common && !clearing.all {
            if span != *range && !free {
                // Nobody made it the space's own, so nothing in it is the range's.
                return None;
            }
            clearing.pages += self.pages_among(table, &span);
        }
        if !common {
            match level {
                Level::LEAF => self.clear_pages(table, range, clearing),
                _ => self.clear_in(level, table, range, clearing),
            }
            if !free && !self.machine.is_empty(table, level, range.start) {
                return None;
            }
        }
        self.tables -= 1;
        Some(Unlinked { table, common })
    }

    /// Gives back a table, now or with the next flush.
    fn part_with(&self, unlinked: Unlinked, clearing: &mut Clearing<'_>) {
        if clearing.all {
            return self.give_back(unlinked);
        }
        if clearing.waiting == BATCH {
            self.settle(clearing);
        }
        if let Some(place) = clearing.unlinked.get_mut(clearing.waiting) {
            *place = Some(unlinked);
            clearing.waiting += 1;
        }
    }

    /// Flushes, and gives back what waited for it.
    fn settle(&self, clearing: &mut Clearing<'_>) {
        self.flush(replace(&mut clearing.stale, Stale::Nothing));
        let waiting = clearing.unlinked.iter_mut().take(clearing.waiting);
        waiting
            .filter_map(Option::take)
            .for_each(|unlinked| self.give_back(unlinked));
        clearing.waiting = 0;
    }

    fn give_back(&self, Unlinked { table, common }: Unlinked) {
        if common {
            self.let_go(table);
        } else {
            self.machine.release(table);
        }
    }

    #[inline(never)]
    fn clear_pages(&self, table: Pfn, range: &Range<u64>, clearing: &mut Clearing<'_>) {
        for (addr, slot) in self.pages(table, range) {
            if slot.get() == Entry::Empty {
                continue;
            }
            if let Some(leaf) = slot.take().leaf().filter(|leaf| self.counts(leaf)) {
                self.machine.release(leaf.pfn());
                clearing.pages += 1;
            }
            clearing.stale = clearing.stale.and_page(addr);
        }
    }
}

fn lies_in(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
