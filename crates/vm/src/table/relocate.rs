//! Moving pages to other addresses.

use super::PageTable;
use crate::{Error, Flush, Machine};
use core::ops::Range;
use paging::{Entry, Leaf, Level, PAGE, SUPERPAGE};

/// Whether a large page that lies in `inside` can be one at `new` too.
fn stays_large(inside: &Range<u64>, new: u64) -> bool {
    *inside == Level::LEAF.table_around(inside.start) && new.is_multiple_of(SUPERPAGE)
}

impl<M: Machine> PageTable<M> {
    /// Makes the tables that the pages of `range` need when they move to `to`, where nothing is, and
    /// makes those that are there the space's own. What was made when it fails is empty, and goes by
    /// clearing the place.
    pub(crate) fn make_way(&self, range: &Range<u64>, to: u64) -> Result<(), Error> {
        for (entry, inside) in self.chunks(range) {
            let new = to + (inside.start - range.start);
            if entry.leaf().is_some() && stays_large(&inside, new) {
                self.make_superpage_room(new)?;
                continue;
            }
            let mut addr = inside.start;
            while addr < inside.end {
                // As far as one table reaches where the pages go.
                let new = to + (addr - range.start);
                let reach = Level::LEAF.table_around(new).end - new;
                let next = (addr + reach).min(inside.end);
                let mut cursor = self.look_up(addr);
                if cursor.find(Level::LEAF, next).is_some() {
                    // Anew each time: the table may be the same as the one that was made before.
                    let room = self.reserve_room(self.look_up(new))?;
                    self.make_room(room);
                }
                addr = next;
            }
        }
        Ok(())
    }

    /// Moves the pages of `range`, which the space owns, to `to`, which way was made for. Their
    /// tables stay, empty ones too, until the range is cleared. No hart has them at the old place when it
    /// returns.
    pub(crate) fn relocate(&self, range: &Range<u64>, to: u64) {
        let mut stale = Flush::Nothing;
        for (entry, inside) in self.chunks(range) {
            let new = to + (inside.start - range.start);
            if entry.leaf().is_some() && !stays_large(&inside, new) {
                // The tables where it goes are there.
                self.unmark(self.at(Level::SUPERPAGE, inside.start).slot());
            }
            self.change_unflushed(|| match entry {
                Entry::Empty => {}
                Entry::Branch(table) => {
                    for (addr, slot) in self.pages(table, &inside) {
                        if let Some(leaf) = slot.take().leaf() {
                            self.arrive(to + (addr - range.start), leaf);
                            stale = stale.and_page(addr);
                        }
                    }
                }
                Entry::Leaf(leaf) => {
                    self.move_large(&inside, new, leaf);
                    stale = Flush::Space;
                }
            });
        }
        self.flush(stale);
    }

    /// Puts an entry at its new place.
    #[inline(never)]
    fn arrive(&self, addr: u64, leaf: Leaf) {
        let cursor = self.look_up(addr);
        assert!(cursor.level() == Level::LEAF, "no way was made");
        cursor.slot().set(Entry::Leaf(leaf));
    }

    /// Moves a large page, which becomes 512 small ones where it cannot lie as one.
    #[inline(never)]
    fn move_large(&self, inside: &Range<u64>, new: u64, leaf: Leaf) {
        self.at(Level::SUPERPAGE, inside.start).slot().take();
        if stays_large(inside, new) {
            self.at(Level::SUPERPAGE, new).slot().set(Entry::Leaf(leaf));
            return;
        }
        self.machine.part_large(leaf.pfn());
        for page in (0..SUPERPAGE).step_by(PAGE as usize) {
            self.arrive(new + page, leaf.part(Level::SUPERPAGE, page));
        }
        self.large.sub(1);
    }
}
