//! The page table of a space: putting pages in, taking them out, and what that means for references,
//! counts and flushes. Tables are walked and entries changed with the cursor of the crate `paging`.
//!
//! 2 MiB are a large page, or a table of pages. After a fork such a table may belong to several
//! spaces. It has one reference to each of its pages then, no matter how many spaces have it; none
//! of its entries is writable; and nobody changes it: who needs to, gets a table of its own first
//! (`own.rs`). Frames that a table which is nobody else's names once are this space's alone.

mod clear;
mod large;
mod own;
mod protect;
mod relocate;
mod share;

pub(crate) use own::Whole;
pub(crate) use share::Sharing;

use crate::machine::{Frame, Spare};
use crate::{Error, Flush, Machine, SpaceId};
use abi::Prot;
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level, PAGE, Slot};

/// A page table with its root, and counts of what is in it.
pub(crate) struct PageTable<M: Machine> {
    machine: M,
    root: Pfn,
    id: SpaceId,
    /// Tables below the root, those that other spaces have too among them.
    tables: usize,
    /// Large pages.
    large: usize,
    /// Pages with a frame, those of the zero page not among them.
    resident: usize,
    /// Whether frames may be set aside for this space.
    placed: bool,
}

/// What was taken out of a table, as far as flushing is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    Nothing,
    Page(u64),
    /// Several pages; or a table, whose pointer a flush by address may leave in the hardware.
    Many,
}

impl Stale {
    fn and_page(self, addr: u64) -> Stale {
        if self == Stale::Nothing {
            Stale::Page(addr)
        } else {
            Stale::Many
        }
    }
}

/// Where the entry of one page goes, with frames for the tables that it takes: they become tables when
/// the entry is set, and go back if that never comes.
pub(crate) struct Room<M: Machine> {
    cursor: Cursor<M>,
    spare: Spare<M>,
}

impl<M: Machine> PageTable<M> {
    pub(crate) fn new(machine: M) -> Result<PageTable<M>, Error> {
        let root = machine.alloc_zeroed().ok_or(Error::NoMemory)?;
        machine.init_root(root);
        Ok(PageTable {
            machine,
            root,
            id: SpaceId::UNTAGGED,
            tables: 0,
            large: 0,
            resident: 0,
            placed: false,
        })
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    pub(crate) fn root(&self) -> Pfn {
        self.root
    }

    pub(crate) fn id(&self) -> SpaceId {
        self.id
    }

    pub(crate) fn set_id(&mut self, id: SpaceId) {
        self.id = id;
    }

    /// Pages of table, the root among them.
    pub(crate) fn tables(&self) -> usize {
        self.tables + 1
    }

    pub(crate) fn resident(&self) -> usize {
        self.resident
    }

    /// Large pages.
    pub(crate) fn large(&self) -> usize {
        self.large
    }

    pub(crate) fn flush(&self, stale: Stale) {
        match stale {
            Stale::Nothing => {}
            Stale::Page(addr) => self.machine.flush(self.id, Flush::Page(addr)),
            Stale::Many => self.machine.flush(self.id, Flush::All),
        }
    }

    /// The entry of `level` for `addr`, or the one above that the walk ends at.
    #[inline(never)]
    fn at(&self, level: Level, addr: u64) -> Cursor<M> {
        Cursor::new(self.machine.clone(), self.root, addr).look_up(level)
    }

    /// The entry for the page at `addr`, an address of the user half; that of the superpage it is in;
    /// or the empty one that is in the way of both.
    pub(crate) fn look_up(&self, addr: u64) -> Cursor<M> {
        self.at(Level::LEAF, addr)
    }

    /// What the page at `addr`, an address of the user half, has in the table: in a superpage, its part.
    pub(crate) fn leaf(&self, addr: u64) -> Option<Leaf> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        Some(leaf.part(cursor.level(), addr))
    }

    /// The frame behind the page at `addr`, an address of the user half, and what a program may do
    /// with it; `None` where an access would fault. It goes by what the format allows, pages of all
    /// sizes, not by what this module makes.
    pub(crate) fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        let pfn = leaf.frame_at(cursor.level(), addr)?;
        Some((pfn, leaf.prot())).filter(|(_, prot)| !prot.is_empty())
    }

    /// The superpages and tables of pages in `range`, in order, each with the part of the range that it
    /// is for. The entries that have come by may change meanwhile.
    fn chunks(&self, range: &Range<u64>) -> impl Iterator<Item = (Entry, Range<u64>)> + use<M> {
        let cursor = Cursor::new(self.machine.clone(), self.root, range.start);
        cursor.entries(Level::SUPERPAGE, range.end)
    }

    /// The places of a table of pages for `range`, which is within its span.
    #[inline(always)]
    fn pages(&self, table: Pfn, range: &Range<u64>) -> impl Iterator<Item = (u64, Slot<'_>)> {
        self.machine.slots(table, Level::LEAF, range)
    }

    /// All places of a table of pages.
    #[inline(always)]
    fn all_pages(&self, table: Pfn) -> impl Iterator<Item = Slot<'_>> {
        self.machine.all_slots(table, Level::LEAF)
    }

    /// Whether the page has a frame that the table counts.
    fn counts(&self, leaf: &Leaf) -> bool {
        leaf.pfn() != self.machine.zero_page()
    }

    /// Pages with a frame, that of zeroes not among them, in a part of a table.
    fn pages_among(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        leaves.filter(|leaf| self.counts(leaf)).count()
    }

    /// Pages of `range` with a frame, that of zeroes not among them.
    pub(crate) fn pages_in(&self, range: Range<u64>) -> usize {
        let pages = self.chunks(&range).map(|(entry, inside)| match entry {
            Entry::Empty => 0,
            Entry::Branch(table) => self.pages_among(table, &inside),
            Entry::Leaf(_) => ((inside.end - inside.start) / PAGE) as usize,
        });
        pages.sum()
    }

    /// Reserves what it takes to set the entry that was looked up, which is empty.
    pub(crate) fn reserve_room(&self, cursor: Cursor<M>) -> Result<Room<M>, Error> {
        let missing = match cursor.level() {
            // A table that other spaces have too is copied.
            Level::LEAF => usize::from(!self.machine.is_unique(cursor.table())),
            above => above.number() as usize,
        };
        let spare = Spare::new(&self.machine, missing).ok_or(Error::NoMemory)?;
        Ok(Room { cursor, spare })
    }

    /// Sets the entry of a page to a frame whose reference passes to the table. Nothing was changed
    /// since its place was looked up.
    pub(crate) fn put(&mut self, room: Room<M>, leaf: Leaf) {
        let cursor = self.make_room(room);
        cursor.slot().set(Entry::Leaf(leaf));
        self.resident += usize::from(self.counts(&leaf));
    }

    /// Makes the tables that were reserved; returns where the entry goes.
    #[inline(always)]
    fn make_room(&mut self, Room { cursor, mut spare }: Room<M>) -> Cursor<M> {
        if spare.is_empty() {
            return cursor;
        }
        let addr = cursor.addr();
        self.make_tables(cursor, &mut spare);
        self.look_up(addr)
    }

    #[inline(never)]
    fn make_tables(&mut self, mut cursor: Cursor<M>, spare: &mut Spare<M>) {
        if cursor.level() == Level::LEAF {
            if let Some(frame) = spare.take() {
                self.own_table(cursor.addr(), cursor.table(), frame);
            }
            return;
        }
        let frame = || {
            let frame = spare.take().ok_or(Error::NoMemory)?;
            self.tables += 1;
            Ok(frame.into_pfn())
        };
        let made: Result<(), Error> = cursor.make_room(Level::LEAF, frame);
        debug_assert_eq!(made, Ok(()), "too few frames were reserved");
    }

    /// The entry for the superpage at `addr`, with the table for it if that was missing.
    #[inline(never)]
    fn make_superpage_room(&mut self, addr: u64) -> Result<Cursor<M>, Error> {
        let mut cursor = Cursor::new(self.machine.clone(), self.root, addr);
        cursor.make_room(Level::SUPERPAGE, || {
            let frame = Frame::any(&self.machine).ok_or(Error::NoMemory)?;
            self.tables += 1;
            Ok::<_, Error>(frame.into_pfn())
        })?;
        Ok(cursor)
    }

    /// Replaces the entry of a page, in a table that is this space's own, by another, whose frame's
    /// reference passes to the table; that of the old frame goes back if it is another.
    pub(crate) fn replace(&mut self, addr: u64, leaf: Leaf) {
        let cursor = self.look_up(addr);
        debug_assert!(cursor.level() == Level::LEAF, "no page is at {addr:#x}");
        let old = cursor.slot().replace(Entry::Leaf(leaf));
        // Also when nothing but rights was gained: the hardware may remember that there were fewer,
        // and the program would be here once more.
        self.flush(Stale::Page(addr));
        match old.leaf().filter(|old| old.pfn() != leaf.pfn()) {
            None => {}
            Some(old) if self.counts(&old) => self.machine.release(old.pfn()),
            Some(_) => self.resident += 1,
        }
    }
}

/// Gives back the root. Everything below must have been cleared.
impl<M: Machine> Drop for PageTable<M> {
    fn drop(&mut self) {
        debug_assert_eq!(
            (self.tables, self.large, self.resident),
            (0, 0, 0),
            "something is left in the table"
        );
        self.machine.release(self.root);
    }
}
