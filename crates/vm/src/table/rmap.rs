//! What others than the owner of a table do in it: changing the entries of an object's pages.

use super::PageTable;
use crate::{Flush, Machine};
use core::ops::Range;
use core::sync::atomic::Ordering;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level, PAGE, Slot};

/// What the entries of the pages said, in all spaces together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mappings {
    /// Entries. One of a table that fork left to several spaces counts once.
    pub entries: usize,
    /// Whether a program has accessed a page through any since `Object::test_and_clear`.
    pub accessed: bool,
    /// Whether one has written one since then, or since `Object::write_protect`, and no `mprotect` has
    /// taken the right away again.
    pub dirty: bool,
}

/// What is done to the entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Unmap,
    WriteProtect,
    TestAndClear,
}

impl Act {
    /// Does it, and tells what the entry was if that makes it stale.
    fn apply(self, slot: Slot<'_>) -> Option<Leaf> {
        let changed = match self {
            Act::Unmap => return slot.take().leaf(),
            Act::WriteProtect => slot.change(Leaf::without_write),
            Act::TestAndClear => slot.change(Leaf::untouched),
        };
        changed.map(|(old, _)| old)
    }
}

/// A walk over the tables of the spaces that map pages of an object, which is locked.
pub(crate) struct Walk<'a> {
    /// The numbers of the pages.
    pages: Range<u64>,
    /// The frame that the object has for a page.
    frame_of: &'a dyn Fn(u64) -> Option<Pfn>,
    act: Act,
    /// Whether an entry has changed that the spaces to come have too.
    common: bool,
    found: Mappings,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        pages: Range<u64>,
        frame_of: &'a dyn Fn(u64) -> Option<Pfn>,
        act: Act,
    ) -> Walk<'a> {
        Walk {
            pages,
            frame_of,
            act,
            common: false,
            found: Mappings::default(),
        }
    }

    pub(crate) fn found(&self) -> Mappings {
        self.found
    }

    /// The user addresses where a window with this delta shows the pages.
    fn addresses(&self, delta: u64) -> Range<u64> {
        let at = |index: u64| {
            let addr = i128::from(index) * i128::from(PAGE) + i128::from(delta as i64);
            addr.clamp(0, i128::from(abi::USER_TOP)) as u64
        };
        at(self.pages.start)..at(self.pages.end)
    }

    /// Whether the entry at `addr` is that of the object's page there.
    fn concerns(&self, leaf: Leaf, addr: u64, delta: u64) -> bool {
        let index = addr.wrapping_sub(delta) / PAGE;
        (self.frame_of)(index) == Some(leaf.pfn())
    }
}

impl<M: Machine> PageTable<M> {
    /// Goes through the pages of the walk that a window with this delta shows. When it returns, no TLB has
    /// what was changed here, by this walk or by anybody before. It looks each table up anew, as the owner
    /// may unlink what it saw as soon as the entries are not locked.
    pub(crate) fn visit(&self, delta: u64, walk: &mut Walk<'_>) {
        let Range { mut start, end } = walk.addresses(delta);
        loop {
            let mut state = self.lock();
            if state.gone {
                return;
            }
            let mut cursor = Cursor::new(self.machine.clone(), self.root, start);
            let entry = match start < end {
                true => cursor.find(Level::SUPERPAGE, end),
                false => None,
            };
            let Some(entry) = entry else {
                // The owner has changed entries, or the walk has in a table that this space has too.
                if walk.common || self.unflushed.load(Ordering::Acquire) {
                    self.shoot_down(Flush::Space);
                }
                return;
            };
            let span = Level::LEAF.table_around(cursor.addr());
            let inside = cursor.addr().max(start)..span.end.min(end);
            // Large pages have nothing of an object.
            if let Entry::Branch(table) = entry {
                state.taken += self.visit_pages(table, &inside, delta, walk);
            }
            start = inside.end;
        }
    }

    /// Changes entries in a table of pages, while the entries are locked. How many resident pages it took out.
    fn visit_pages(&self, table: Pfn, range: &Range<u64>, delta: u64, walk: &mut Walk<'_>) -> u64 {
        let mut taken = 0;
        let common = self.lock_common(table);
        let mut stale = Flush::Nothing;
        for (addr, slot) in self.pages(table, range) {
            let leaf = slot.leaf();
            let Some(leaf) = leaf.filter(|&leaf| walk.concerns(leaf, addr, delta)) else {
                continue;
            };
            let changed = walk.act.apply(slot);
            // Hardware may have set bits since the first look.
            let was = changed.unwrap_or(leaf);
            walk.found.entries += 1;
            walk.found.accessed |= was.is_accessed();
            walk.found.dirty |= was.is_dirty();
            if changed.is_some() {
                stale = stale.and_page(addr);
                walk.common |= common.is_some();
            }
            if walk.act == Act::Unmap {
                // Not the last reference: the object has one.
                self.machine.release(was.pfn());
                // Pages of shared mappings are in tables of one space only.
                taken += u64::from(!was.is_borrowed());
            }
        }
        self.shoot_down(stale);
        self.resident.sub(taken as usize);
        taken
    }
}
