//! Moving pages to other addresses.

use super::{Chunk, PageTable, Stale, part};
use crate::sv39::{Entry, LARGE, Level, PAGE};
use crate::{Error, Machine};
use core::ops::Range;

/// Whether a large page that lies in `inside` can be one at `new` too.
fn stays_large(inside: &Range<u64>, new: u64) -> bool {
    *inside == Level::LEAF.table_around(inside.start) && new.is_multiple_of(LARGE)
}

impl<M: Machine> PageTable<M> {
    /// Makes the tables that the pages of `range` need when they move to `to`, where nothing is, and
    /// makes those that are there the space's own. What was made when it fails is empty, and goes by
    /// clearing the place.
    pub(crate) fn make_way(&mut self, range: &Range<u64>, to: u64) -> Result<(), Error> {
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            let new = to + (inside.start - range.start);
            if matches!(chunk, Chunk::Large(_)) && stays_large(&inside, new) {
                self.make_chunk_slot(new)?;
                continue;
            }
            let mut addr = inside.start;
            while addr < inside.end {
                // As far as one table reaches where the pages go.
                let new = to + (addr - range.start);
                let reach = Level::LEAF.table_around(new).end - new;
                let next = (addr + reach).min(inside.end);
                // Anew each time: the table may be the same as the one that was made before.
                if self.has_any(addr..next) {
                    let place = self.place(new)?;
                    self.link(new, place);
                }
                addr = next;
            }
        }
        Ok(())
    }

    /// Whether there is anything in a range within one chunk.
    fn has_any(&self, range: Range<u64>) -> bool {
        match self.chunk(range.start) {
            None => false,
            Some(Chunk::Large(_)) => true,
            Some(Chunk::Pages(table)) => part(self.machine.table(table), &range)
                .iter()
                .any(|slot| !Entry::load(slot).is_vacant()),
        }
    }

    /// Moves the pages of `range`, which the space owns, to `to`, which way was made for. Their
    /// tables stay, empty ones too, until the range is cleared.
    pub(crate) fn relocate(&mut self, range: &Range<u64>, to: u64) -> Stale {
        let mut stale = Stale::Nothing;
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            let new = to + (inside.start - range.start);
            match chunk {
                Chunk::Pages(table) => {
                    let slots = part(self.machine.table(table), &inside);
                    for (slot, addr) in slots.iter().zip(inside.step_by(PAGE as usize)) {
                        let entry = Entry::load(slot);
                        let new = to + (addr - range.start);
                        if !entry.is_vacant() && self.arrive(new, entry) {
                            Entry::VACANT.store(slot);
                            stale = stale.and_page(addr);
                        }
                    }
                }
                Chunk::Large(entry) => {
                    self.move_large(&inside, new, entry);
                    stale = Stale::Many;
                }
            }
        }
        stale
    }

    /// Puts an entry at its new place.
    #[inline(never)]
    fn arrive(&self, addr: u64, entry: Entry) -> bool {
        match self.table_at(Level::LEAF, addr) {
            Some(leaf) => {
                entry.store(&self.machine.table(leaf)[Level::LEAF.index(addr)]);
                true
            }
            None => false,
        }
    }

    /// Moves a large page, which becomes 512 small ones where it cannot lie as one.
    #[inline(never)]
    fn move_large(&mut self, inside: &Range<u64>, new: u64, entry: Entry) {
        if stays_large(inside, new) {
            self.set_large(new, entry);
        } else {
            self.machine.part_large(entry.pfn());
            for page in (0..LARGE).step_by(PAGE as usize) {
                self.arrive(new + page, entry.inside(page));
            }
            self.large -= 1;
        }
        self.set_large(inside.start, Entry::VACANT);
    }
}
