//! Large pages: entries one level above the leaves, for 2 MiB at once.

use super::{PageTable, Stale};
use crate::machine::Frame;
use crate::{Error, Machine};
use abi::Prot;
use core::ops::Range;
use paging::{Entry, Leaf, Level, PAGE, SUPERPAGE};

/// Frames in a large page.
pub(super) const FRAMES: usize = (SUPERPAGE / PAGE) as usize;

impl<M: Machine> PageTable<M> {
    /// Puts a large page of zeroes at `addr`, a multiple of its size, if nothing is there, no table
    /// either, and a block is free.
    pub(crate) fn put_large(&mut self, addr: u64, prot: Prot) -> Result<(), Error> {
        if self.at(Level::SUPERPAGE, addr).entry() != Entry::Empty {
            return Err(Error::Occupied);
        }
        let block = self.machine.alloc_large().ok_or(Error::NoMemory)?;
        let machine = self.machine.clone();
        let room = self
            .make_superpage_room(addr)
            .inspect_err(|_| machine.release_large(block))?;
        (0..FRAMES as u32).for_each(|n| machine.clear_tail(block.plus(n), 0));
        room.slot().set(Entry::Leaf(Leaf::user(block, prot)));
        self.large += 1;
        self.resident += FRAMES;
        Ok(())
    }

    /// A frame of zeroes for the page at `addr`, where all 2 MiB around it may become a large page;
    /// and whether they can now, as soon as it is there.
    pub(crate) fn placed(&mut self, addr: u64) -> Option<(Frame<M>, bool)> {
        let placed = self.machine.alloc_placed(self.root, addr)?;
        self.placed = true;
        let frame = Frame::adopt(&self.machine, placed.pfn);
        self.machine.clear_tail(placed.pfn, 0);
        Some((frame, placed.complete))
    }

    /// Nothing more will be filled in `range`.
    pub(super) fn close_placed(&self, range: &Range<u64>) {
        if self.placed {
            self.machine.close_placed(self.root, range);
        }
    }

    /// Makes a large page of the pages around `addr` if they have all frames of a block, in order,
    /// all alike, and to this space alone.
    #[inline(never)]
    pub(crate) fn promote(&mut self, addr: u64) {
        let cursor = self.look_up(addr);
        let table = cursor.table();
        let superpage = match cursor.level() {
            Level::LEAF if self.machine.is_unique(table) => cursor.joined(),
            _ => None,
        };
        let Some(leaf) = superpage.filter(|leaf| self.machine.join_large(leaf.pfn())) else {
            return;
        };
        self.at(Level::SUPERPAGE, addr)
            .slot()
            .replace(Entry::Leaf(leaf));
        self.tables -= 1;
        self.large += 1;
        // The hardware may remember the way to the table, which may be somebody else's next.
        self.flush(Stale::Many);
        self.machine.release(table);
    }

    /// Gives the superpage that `addr` is in other rights, at once for all of it.
    pub(crate) fn replace_superpage(&mut self, addr: u64, leaf: Leaf) {
        self.at(Level::SUPERPAGE, addr)
            .slot()
            .replace(Entry::Leaf(leaf));
        // The hardware may remember fewer rights for any part of it.
        self.flush(Stale::Many);
    }

    /// Puts a table with the same pages in the place of a large one.
    #[inline(never)]
    pub(super) fn split(&mut self, addr: u64, table: Frame<M>) {
        let cursor = self.at(Level::SUPERPAGE, addr);
        if let Some(leaf) = cursor.entry().leaf() {
            self.machine.part_large(leaf.pfn());
        }
        cursor.split(table.into_pfn());
        self.large -= 1;
        self.tables += 1;
        self.flush(Stale::Many);
    }
}
