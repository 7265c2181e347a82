//! Moving pages to other addresses, for `mremap`.

use super::PageTable;
use crate::{Error, Flush, Machine};
use core::ops::Range;
use paging::{Entry, Leaf, Level, PAGE, SUPERPAGE};

/// Whether a large page in `inside` stays large at `new`.
fn stays_large(inside: &Range<u64>, new: u64) -> bool {
    *inside == Level::LEAF.table_around(inside.start) && new.is_multiple_of(SUPERPAGE)
}

impl<M: Machine> PageTable<M> {
    /// Allocates the tables for moving the pages of `range` to `to`, where nothing is mapped; unshares those
    /// that exist. On failure the tables made so far are empty, and the caller clears the destination.
    pub(crate) fn prealloc_move(&self, range: &Range<u64>, to: u64) -> Result<(), Error> {
        for (entry, inside) in self.chunks(range) {
            let new = to + (inside.start - range.start);
            if entry.leaf().is_some() && stays_large(&inside, new) {
                self.alloc_superpage_tables(new)?;
                continue;
            }
            let mut addr = inside.start;
            while addr < inside.end {
                // Up to the end of the destination's leaf table.
                let new = to + (addr - range.start);
                let reach = Level::LEAF.table_around(new).end - new;
                let next = (addr + reach).min(inside.end);
                let mut cursor = self.look_up(addr);
                if cursor.find(Level::LEAF, next).is_some() {
                    // Looked up each time: the last step may have allocated the table.
                    let pte = self.prealloc_tables(self.look_up(new))?;
                    self.alloc_tables(pte);
                }
                addr = next;
            }
        }
        Ok(())
    }

    /// Moves the pages of `range`, which are unshared, to `to`, after [`prealloc_move`](Self::prealloc_move).
    /// The old tables stay, even if empty, until the range is cleared. On return no TLB has the old addresses.
    pub(crate) fn move_page_tables(&self, range: &Range<u64>, to: u64) {
        let mut stale = Flush::Nothing;
        for (entry, inside) in self.chunks(range) {
            let new = to + (inside.start - range.start);
            if entry.leaf().is_some() && !stays_large(&inside, new) {
                // The destination's tables exist.
                self.drop_deposit(self.at(Level::SUPERPAGE, inside.start).slot());
            }
            self.change_deferred(|| match entry {
                Entry::Empty => {}
                Entry::Branch(table) => {
                    for (addr, slot) in self.pages(table, &inside) {
                        if let Some(leaf) = slot.take().leaf() {
                            self.set_moved(to + (addr - range.start), leaf);
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

    /// Sets an entry at the destination.
    #[inline(never)]
    fn set_moved(&self, addr: u64, leaf: Leaf) {
        let cursor = self.look_up(addr);
        assert!(cursor.level() == Level::LEAF, "no way was made");
        cursor.slot().set(Entry::Leaf(leaf));
    }

    /// Moves a large page; splits it into 512 pages if the destination is not aligned.
    #[inline(never)]
    fn move_large(&self, inside: &Range<u64>, new: u64, leaf: Leaf) {
        self.at(Level::SUPERPAGE, inside.start).slot().take();
        if stays_large(inside, new) {
            self.at(Level::SUPERPAGE, new).slot().set(Entry::Leaf(leaf));
            return;
        }
        self.machine.split_large(leaf.pfn());
        for page in (0..SUPERPAGE).step_by(PAGE as usize) {
            self.set_moved(new + page, leaf.page_at(Level::SUPERPAGE, page));
        }
        self.large.sub(1);
    }
}
