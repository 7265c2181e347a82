//! Putting pages in, and giving them other frames or more rights.

use super::PageTable;
use crate::machine::Spare;
use crate::{Error, Flush, Machine};
use paging::{Cursor, Entry, Leaf, Level};

/// Where the entry of one page goes, with frames for the tables that it takes: they become tables when
/// the entry is set, and go back if that never comes.
pub(crate) struct Room<M: Machine> {
    cursor: Cursor<M>,
    spare: Spare<M>,
}

impl<M: Machine> PageTable<M> {
    /// Reserves what it takes to set the entry that was looked up, which is empty.
    pub(crate) fn reserve_room(&self, cursor: Cursor<M>) -> Result<Room<M>, Error> {
        // For the copy of a table that other spaces have too there is a spare.
        let missing = cursor.level().number() as usize;
        let spare = Spare::new(&self.machine, missing).ok_or(Error::NoMemory)?;
        Ok(Room { cursor, spare })
    }

    /// Sets the entry of a page to a frame whose reference passes to the table. Nothing was changed
    /// since its place was looked up.
    #[inline(never)]
    pub(crate) fn put(&self, room: Room<M>, leaf: Leaf) {
        let cursor = self.make_room(room);
        self.change(|_| cursor.slot().set(Entry::Leaf(leaf)));
        self.resident.add(usize::from(!leaf.is_borrowed()));
    }

    /// Makes the tables that were reserved; returns where the entry goes.
    #[inline(always)]
    pub(super) fn make_room(&self, Room { cursor, mut spare }: Room<M>) -> Cursor<M> {
        if spare.is_empty() && self.spares() == 0 {
            return cursor;
        }
        let addr = cursor.addr();
        self.make_tables(cursor, &mut spare);
        self.look_up(addr)
    }

    #[inline(never)]
    fn make_tables(&self, cursor: Cursor<M>, spare: &mut Spare<M>) {
        match cursor.level() {
            Level::LEAF => self.own_entry(&self.at(Level::SUPERPAGE, cursor.addr())),
            _ => self.link_tables(cursor, Level::LEAF, spare),
        }
    }

    /// Links the tables that are missing from a place down to the entry of `level`.
    fn link_tables(&self, mut cursor: Cursor<M>, level: Level, spare: &mut Spare<M>) {
        let frame = || {
            let frame = spare.take().ok_or(Error::NoMemory)?;
            self.tables.add(1);
            Ok(frame.into_pfn())
        };
        let made: Result<(), Error> = self.change(|_| cursor.make_room(level, frame));
        debug_assert!(made.is_ok(), "too few frames were reserved");
    }

    /// The entry for the superpage at `addr`, with the table for it if that was missing.
    #[inline(never)]
    pub(super) fn make_superpage_room(&self, addr: u64) -> Result<Cursor<M>, Error> {
        let cursor = self.at(Level::SUPERPAGE, addr);
        let missing = cursor.level().number() - Level::SUPERPAGE.number();
        let mut spare = Spare::new(&self.machine, missing as usize).ok_or(Error::NoMemory)?;
        if !spare.is_empty() {
            self.link_tables(cursor.clone(), Level::SUPERPAGE, &mut spare);
        }
        Ok(cursor.look_up(Level::SUPERPAGE))
    }

    /// Gives a page that is still `old`, or the superpage that `addr` is in, more rights, where the table is
    /// this space's own. Whether it was does not matter: where not, the program faults again.
    #[inline(never)]
    pub(crate) fn grant(&self, addr: u64, old: Leaf, new: Leaf) {
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

    /// Puts a frame of its own, whose reference passes to the table, in the place of a page that is still
    /// `old`, in a table that is this space's own; with the contents of the old frame, if that is not the
    /// one of zeroes. False, with nothing done, where the page is another by now.
    #[inline(never)]
    pub(crate) fn replace(&self, addr: u64, old: Leaf, new: Leaf) -> bool {
        let cursor = self.look_up(addr);
        debug_assert!(cursor.level() == Level::LEAF, "no page is at {addr:#x}");
        let held = self.holds(&old);
        let replaced = self.change(|_| {
            let slot = cursor.slot();
            if slot.leaf() != Some(old) {
                return false;
            }
            slot.take();
            // Before the new frame can be seen: no hart reads the old one while another writes the new.
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
