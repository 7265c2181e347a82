//! Reverse mapping: changing the entries of an object's pages in every space that maps them.
//!
//! The windows of the object say where an entry can be. With the object locked, no window is linked or
//! unlinked, and no fault puts a page of the object in. What goes on in the meantime is a matter of the
//! entries' locks: each entry is looked at with its table locked.
//!
//! Two operations copy or move entries while somebody walks: fork, and a mapping that moves. Both link the
//! new window before the first entry is there. The list is in the order in which windows were made, so the
//! walk comes to where an entry is from before it comes to where it goes to, and finds it at one of them. A
//! window stays on the list until its entries are gone and flushed, or until its table is closed
//! because the whole space goes. (Linux orders its reverse mapping for fork in the same way.)
//!
//! Nothing here allocates, or waits for the lock of a space's regions.

use super::Object;
use crate::Machine;
use crate::table::{Act, Mappings, Walk};
use core::ops::Range;

impl<M: Machine> Object<M> {
    /// Takes pages, by their numbers, out of every space that maps them. They stay in the object, and come
    /// back when they are touched. Copies that spaces have made stay. When it returns, no hart can
    /// come to the pages through a mapping.
    pub fn unmap(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, Act::Unmap)
    }

    /// Makes pages read-only in every space that maps them, and forgets that they were written: the next
    /// store to one faults. No hart can write them through a mapping when it returns.
    pub fn write_protect(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, Act::WriteProtect)
    }

    /// Tells whether pages were accessed and written through mappings, and forgets it.
    pub fn test_and_clear(&self, pages: Range<u64>) -> Mappings {
        self.walk(pages, Act::TestAndClear)
    }

    fn walk(&self, pages: Range<u64>, act: Act) -> Mappings {
        let state = self.state.lock();
        let frame_of = |index| state.pages.get(&self.machine, index);
        let mut walk = Walk::new(pages, &frame_of, act);
        for window in state.mapped.iter() {
            window.table.visit(window.delta, &mut walk);
        }
        walk.found()
    }
}
