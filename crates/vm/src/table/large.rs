//! Large pages: entries one level above the leaves, for 2 MiB at once.

use super::PageTable;
use crate::machine::Frame;
use crate::{Error, Flush, Machine};
use abi::Prot;
use paging::{Cursor, Entry, Leaf, Level, PAGE, SUPERPAGE};

/// Frames in a large page.
pub(super) const FRAMES: usize = (SUPERPAGE / PAGE) as usize;

impl<M: Machine> PageTable<M> {
    /// Maps a zeroed large page at `addr`, a multiple of its size, if no page and no table is there and a block
    /// is free.
    pub(crate) fn map_large(&self, addr: u64, prot: Prot) -> Result<(), Error> {
        if self.at(Level::SUPERPAGE, addr).entry() != Entry::Empty {
            return Err(Error::Occupied);
        }
        let block = self.machine.alloc_large().ok_or(Error::NoMemory)?;
        let machine = self.machine.clone();
        let pte = self
            .alloc_superpage_tables(addr)
            .inspect_err(|_| machine.release_large(block))?;
        (0..FRAMES as u32).for_each(|n| machine.clear_tail(block.plus(n), 0));
        self.change(|_| pte.slot().set(Entry::Leaf(Leaf::user(block, prot))));
        self.large.add(1);
        self.resident.add(FRAMES);
        Ok(())
    }

    /// Promotes the pages around `addr` to a large page if they are the frames of one block, in order, with
    /// equal permissions, and not shared. As FreeBSD's `pmap_promote_pde`.
    #[inline(never)]
    pub(crate) fn promote(&self, addr: u64) {
        self.release_deposit(addr);
        let cursor = self.look_up(addr);
        let table = cursor.table();
        if cursor.level() != Level::LEAF || !self.machine.is_unique(table) {
            return;
        }
        let promoted = self.change(|stale| {
            let superpage = cursor.joined();
            let leaf = superpage.filter(|leaf| self.machine.join_large(leaf.pfn()))?;
            let branch = self.at(Level::SUPERPAGE, addr);
            branch.slot().replace(Entry::Leaf(leaf));
            *stale = Flush::Space;
            Some(())
        });
        if promoted.is_some() {
            self.tables.sub(1);
            self.large.add(1);
            self.machine.release(table);
        }
    }

    /// Replaces a large page with a table of the same pages.
    #[inline(never)]
    pub(super) fn split(&self, cursor: &Cursor<M>, table: Frame<M>) {
        if let Some(leaf) = cursor.entry().leaf() {
            self.machine.split_large(leaf.pfn());
        }
        self.change(|stale| {
            cursor.split(table.into_pfn());
            *stale = Flush::Space;
        });
        self.large.sub(1);
        self.tables.add(1);
    }
}
