//! Reverse mapping in one page table: changing the entries of an object's pages.

use super::PageTable;
use crate::{Flush, Machine};
use core::ops::Range;
use core::sync::atomic::Ordering;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level, PAGE, Slot};

/// What the entries of the pages showed, over all spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mappings {
    /// Entries. An entry of a shared table counts once.
    pub entries: usize,
    /// Whether any was accessed since `Object::test_and_clear`.
    pub accessed: bool,
    /// Whether any was written since then, or since `Object::write_protect`; unless `mprotect` has removed
    /// write permission.
    pub dirty: bool,
}

/// The operation on the entries: Linux's `try_to_unmap`, `page_mkclean`, `page_referenced`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RmapOp {
    Unmap,
    WriteProtect,
    TestAndClear,
}

impl RmapOp {
    /// Applies the operation; returns the old entry if it changed.
    fn apply(self, slot: Slot<'_>) -> Option<Leaf> {
        let changed = match self {
            RmapOp::Unmap => return slot.take().leaf(),
            RmapOp::WriteProtect => slot.change(Leaf::write_protected),
            RmapOp::TestAndClear => slot.change(Leaf::without_accessed_dirty),
        };
        changed.map(|(old, _)| old)
    }
}

/// A walk over the page tables that map pages of an object. The object is locked.
pub(crate) struct RmapWalk<'a> {
    /// Page numbers in the object.
    pages: Range<u64>,
    /// The object's frame of a page.
    frame_of: &'a dyn Fn(u64) -> Option<Pfn>,
    op: RmapOp,
    /// Whether an entry of a shared table has changed, which the next page tables may share.
    shared_table: bool,
    found: Mappings,
}

impl<'a> RmapWalk<'a> {
    pub(crate) fn new(
        pages: Range<u64>,
        frame_of: &'a dyn Fn(u64) -> Option<Pfn>,
        op: RmapOp,
    ) -> RmapWalk<'a> {
        RmapWalk {
            pages,
            frame_of,
            op,
            shared_table: false,
            found: Mappings::default(),
        }
    }

    pub(crate) fn found(&self) -> Mappings {
        self.found
    }

    /// The user addresses of the pages in a window with this delta.
    fn addresses(&self, delta: u64) -> Range<u64> {
        let at = |index: u64| {
            let addr = i128::from(index) * i128::from(PAGE) + i128::from(delta as i64);
            addr.clamp(0, i128::from(abi::USER_TOP)) as u64
        };
        at(self.pages.start)..at(self.pages.end)
    }

    /// Whether the entry at `addr` maps the object's page.
    fn maps(&self, leaf: Leaf, addr: u64, delta: u64) -> bool {
        let index = addr.wrapping_sub(delta) / PAGE;
        (self.frame_of)(index) == Some(leaf.pfn())
    }
}

impl<M: Machine> PageTable<M> {
    /// Applies the operation to the pages in a window with this delta. On return no TLB has the old entries,
    /// whether this walk changed them or the owner did. Tables are looked up again for each 2 MiB, since the
    /// owner may unlink them while the entries are unlocked.
    pub(crate) fn rmap_walk(&self, delta: u64, walk: &mut RmapWalk<'_>) {
        let Range { mut start, end } = walk.addresses(delta);
        loop {
            let mut state = self.lock();
            if state.closed {
                return;
            }
            let mut cursor = Cursor::new(self.machine.clone(), self.root, start);
            let entry = match start < end {
                true => cursor.find(Level::SUPERPAGE, end),
                false => None,
            };
            let Some(entry) = entry else {
                // The owner has a flush pending, or the walk changed a table that this space shares.
                if walk.shared_table || self.tlb_flush_pending.load(Ordering::Acquire) {
                    self.shoot_down(Flush::Space);
                }
                return;
            };
            let span = Level::LEAF.table_around(cursor.addr());
            let inside = cursor.addr().max(start)..span.end.min(end);
            // Large pages are private anonymous.
            if let Entry::Branch(table) = entry {
                state.rmap_unmapped += self.rmap_walk_table(table, &inside, delta, walk);
            }
            start = inside.end;
        }
    }

    /// Changes entries in a leaf table, with the entries locked; returns how many resident pages it unmapped.
    fn rmap_walk_table(
        &self,
        table: Pfn,
        range: &Range<u64>,
        delta: u64,
        walk: &mut RmapWalk<'_>,
    ) -> u64 {
        let mut unmapped = 0;
        let shared_table = self.lock_shared_table(table);
        let mut stale = Flush::Nothing;
        for (addr, slot) in self.pages(table, range) {
            let leaf = slot.leaf();
            let Some(leaf) = leaf.filter(|&leaf| walk.maps(leaf, addr, delta)) else {
                continue;
            };
            let changed = walk.op.apply(slot);
            // Hardware may have set bits since the first load.
            let was = changed.unwrap_or(leaf);
            walk.found.entries += 1;
            walk.found.accessed |= was.is_accessed();
            walk.found.dirty |= was.is_dirty();
            if changed.is_some() {
                stale = stale.and_page(addr);
                walk.shared_table |= shared_table.is_some();
            }
            if walk.op == RmapOp::Unmap {
                // Not the last reference: the object has one.
                self.machine.release(was.pfn());
                // Only unshared tables have pages of shared mappings.
                unmapped += u64::from(!was.is_borrowed());
            }
        }
        self.shoot_down(stale);
        self.resident.sub(unmapped as usize);
        unmapped
    }
}
