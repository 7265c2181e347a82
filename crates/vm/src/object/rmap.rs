//! Reverse mapping: changing the entries of an object's pages in every space that maps them.
//!
//! The windows say where an entry can be. With the object locked, no window is linked or unlinked, and no fault
//! maps a page of the object. Each entry is checked with its page table locked.
//!
//! Two operations copy or move entries during a walk: fork and `mremap`. Both link the new window before the
//! first entry is there. The list is in order of creation, so the walk visits the source of an entry before its
//! destination, and finds it at one of them. A window stays listed until its entries are cleared and flushed,
//! or its table is closed because the space is dropped. (Linux orders its reverse mapping for fork in the same
//! way.)
//!
//! Nothing here allocates or takes the lock of a space.

use super::Object;
use crate::Machine;
use crate::table::{Mappings, RmapOp, RmapWalk};
use core::ops::Range;

impl<M: Machine> Object<M> {
    /// Unmaps pages, by number, from every space. They stay in the object and are mapped again when touched;
    /// private copies stay. On return no hart can access the pages through a mapping.
    pub fn unmap(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, RmapOp::Unmap)
    }

    /// Write-protects pages in every space, and clears the dirty bits: the next store to one faults. On return
    /// no hart can write them through a mapping.
    pub fn write_protect(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, RmapOp::WriteProtect)
    }

    /// Returns whether pages were accessed and written through mappings, and clears both bits.
    pub fn test_and_clear(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, RmapOp::TestAndClear)
    }

    fn walk(&self, pages: Range<u64>, op: RmapOp) -> Mappings {
        let state = self.state.lock();
        let frame_of = |index| state.pages.get(&self.machine, index);
        let mut walk = RmapWalk::new(pages, &frame_of, op);
        for window in state.mapped.iter() {
            window.table.rmap_walk(window.delta, &mut walk);
        }
        walk.found()
    }
}
