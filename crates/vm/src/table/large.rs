//! Large pages: entries one level above the leaves, for 2 MiB at once.

use super::{Chunk, PageTable, Stale};
use crate::machine::Frame;
use crate::sv39::{Entry, LARGE, Level, PAGE};
use crate::{Error, Machine};
use abi::Prot;
use core::ops::Range;
use frames::Pfn;

/// Frames in a large page.
pub(super) const FRAMES: usize = (LARGE / PAGE) as usize;

impl<M: Machine> PageTable<M> {
    /// The block behind the large page that `addr` is in, if it is in one.
    pub(crate) fn large_at(&self, addr: u64) -> Option<Pfn> {
        match self.chunk(addr)? {
            Chunk::Large(entry) => Some(entry.pfn()),
            Chunk::Pages(_) => None,
        }
    }

    /// Puts a large page of zeroes at `addr`, a multiple of its size, if nothing is there, no table
    /// either, and a block is free.
    pub(crate) fn put_large(&mut self, addr: u64, prot: Prot) -> Result<(), Error> {
        if self.chunk(addr).is_some() {
            return Err(Error::Occupied);
        }
        let block = self.machine.alloc_large().ok_or(Error::NoMemory)?;
        let machine = self.machine.clone();
        match self.make_chunk_slot(addr) {
            Ok(slot) => {
                (0..FRAMES as u32).for_each(|n| machine.clear_tail(block.plus(n), 0));
                Entry::page(block, prot).store(slot);
            }
            Err(error) => {
                machine.release_large(block);
                return Err(error);
            }
        }
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
        let Some(table) = self.table_at(Level::LEAF, addr) else {
            return;
        };
        if !self.machine.is_unique(table) {
            return;
        }
        let slots = self.machine.table(table);
        let first = Entry::load(&slots[0]);
        let pages = (0..).step_by(PAGE as usize);
        let mut alike = slots.iter().zip(pages);
        if first.is_vacant()
            || first.frame_at(Level::MIDDLE, 0).is_none()
            || !alike.all(|(slot, page)| Entry::load(slot) == first.inside(page))
            || !self.machine.join_large(first.pfn())
        {
            return;
        }
        self.set_large(addr, first);
        self.tables -= 1;
        self.large += 1;
        // The hardware may remember the way to the table, which may be somebody else's next.
        self.flush(Stale::Many);
        self.machine.release(table);
    }

    /// Changes the rights of the large page that `addr` is in. What the hardware remembers of rights
    /// that go is the caller's to flush.
    pub(crate) fn set_large(&mut self, addr: u64, entry: Entry) {
        if let Some(slot) = self.chunk_slot(addr) {
            entry.store(slot);
        }
    }

    /// Puts a table with the same pages in the place of a large one.
    #[inline(never)]
    pub(super) fn split(&mut self, addr: u64, large: Entry, table: Frame<M>) {
        let Some(slot) = self.chunk_slot(addr) else {
            return;
        };
        self.machine.part_large(large.pfn());
        let pages = (0..).step_by(PAGE as usize);
        for (page, place) in pages.zip(self.machine.table(table.pfn())) {
            large.inside(page).store(place);
        }
        Entry::table(table.into_pfn()).store(slot);
        self.large -= 1;
        self.tables += 1;
        self.flush(Stale::Many);
    }
}
