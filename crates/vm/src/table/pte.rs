//! Leaf entries: mapping a page, replacing its frame, adding permissions.

use super::PageTable;
use crate::machine::Prealloc;
use crate::{Error, Flush, Machine};
use paging::{Cursor, Entry, Leaf, Level};

/// The place of a leaf entry, with preallocated frames for the missing tables. They become tables when the
/// entry is set, and are freed if it is not.
pub(crate) struct PteAlloc<M: Machine> {
    cursor: Cursor<M>,
    prealloc: Prealloc<M>,
}

impl<M: Machine> PageTable<M> {
    /// Preallocates the tables that are missing above an empty entry.
    pub(crate) fn prealloc_tables(&self, cursor: Cursor<M>) -> Result<PteAlloc<M>, Error> {
        // A shared table has a deposit for its copy.
        let missing = cursor.level().number() as usize;
        let prealloc = Prealloc::new(&self.machine, missing).ok_or(Error::NoMemory)?;
        Ok(PteAlloc { cursor, prealloc })
    }

    /// Maps a page: sets its entry, and takes over the frame's reference. The entry has not changed since the
    /// lookup.
    #[inline(never)]
    pub(crate) fn map(&self, pte: PteAlloc<M>, leaf: Leaf) {
        let cursor = self.alloc_tables(pte);
        self.change(|_| cursor.slot().set(Entry::Leaf(leaf)));
        self.resident.add(usize::from(!leaf.is_borrowed()));
    }

    /// Links the preallocated tables, or unshares the leaf table; returns the place of the entry.
    #[inline(always)]
    pub(super) fn alloc_tables(&self, pte: PteAlloc<M>) -> Cursor<M> {
        let PteAlloc {
            cursor,
            mut prealloc,
        } = pte;
        if prealloc.is_empty() && self.deposits() == 0 {
            return cursor;
        }
        let addr = cursor.addr();
        self.alloc_missing(cursor, &mut prealloc);
        self.look_up(addr)
    }

    #[inline(never)]
    fn alloc_missing(&self, cursor: Cursor<M>, prealloc: &mut Prealloc<M>) {
        match cursor.level() {
            Level::LEAF => self.unshare_entry(&self.at(Level::SUPERPAGE, cursor.addr())),
            _ => self.link_tables(cursor, Level::LEAF, prealloc),
        }
    }

    /// Links the missing tables from a place down to `level`.
    fn link_tables(&self, mut cursor: Cursor<M>, level: Level, prealloc: &mut Prealloc<M>) {
        let frame = || {
            let frame = prealloc.pop().ok_or(Error::NoMemory)?;
            self.tables.add(1);
            Ok(frame.into_pfn())
        };
        let made: Result<(), Error> = self.change(|_| cursor.alloc_tables(level, frame));
        debug_assert!(made.is_ok(), "too few frames were reserved");
    }

    /// The superpage entry for `addr`; allocates the tables above it.
    #[inline(never)]
    pub(super) fn alloc_superpage_tables(&self, addr: u64) -> Result<Cursor<M>, Error> {
        let cursor = self.at(Level::SUPERPAGE, addr);
        let missing = cursor.level().number() - Level::SUPERPAGE.number();
        let mut prealloc = Prealloc::new(&self.machine, missing as usize).ok_or(Error::NoMemory)?;
        if !prealloc.is_empty() {
            self.link_tables(cursor.clone(), Level::SUPERPAGE, &mut prealloc);
        }
        Ok(cursor.look_up(Level::SUPERPAGE))
    }

    /// Changes the entry for `addr`, a page or superpage, from `old` to `new`, which has more permissions. The
    /// table is not shared. If the entry is not `old` any more nothing happens, and the program faults again.
    #[inline(never)]
    pub(crate) fn set_access_flags(&self, addr: u64, old: Leaf, new: Leaf) {
        let cursor = self.look_up(addr);
        let changed = self.change(|_| {
            let slot = cursor.slot();
            slot.change(|leaf| if leaf == old { new } else { leaf })
        });
        if changed.is_some() && old.is_borrowed() && !new.is_borrowed() {
            self.resident.add(1);
        }
        self.flush_here(match cursor.level() {
            Level::LEAF => Flush::Page(addr),
            _ => Flush::Space,
        });
    }

    /// Replaces the frame of a page: copies `old` to `new`'s frame, unless `old` is the zero page, and sets
    /// `new`. Takes over the reference to the new frame. The table is not shared. Returns false, with nothing
    /// done, if the entry is not `old` any more.
    #[inline(never)]
    pub(crate) fn replace(&self, addr: u64, old: Leaf, new: Leaf) -> bool {
        let cursor = self.look_up(addr);
        debug_assert!(cursor.level() == Level::LEAF, "no page is at {addr:#x}");
        let held = self.has_ref(&old);
        let replaced = self.change(|_| {
            let slot = cursor.slot();
            if slot.leaf() != Some(old) {
                return false;
            }
            slot.take();
            // Flushed before the new frame is visible, so that no hart reads the old frame while another writes
            // the new.
            self.shoot_down(Flush::Page(addr));
            if held {
                self.machine.copy_page(old.pfn(), new.pfn());
            }
            slot.set(Entry::Leaf(new));
            true
        });
        if replaced {
            self.resident.add(usize::from(old.is_borrowed()));
            if held {
                self.machine.release(old.pfn());
            }
        }
        replaced
    }
}
