//! Anonymous memory that several spaces share: a tree of frames, indexed by page, that all their
//! regions point to. A page is made by whoever touches it first and lives until the last region
//! that shows the memory is gone.
//!
//! The spaces have a lock each and this tree has none: a frame is linked in with one compare and
//! exchange, after which the link never changes. Whoever loses that race uses the winner's frame.

use crate::machine::Frame;
use crate::sv39::PAGE;
use crate::{Error, Machine};
use core::sync::atomic::{AtomicU64, Ordering};
use frames::Pfn;

/// The memory itself.
pub(crate) struct SharedPages<M: Machine> {
    machine: M,
    /// Levels of tables above the pages, as few as the size allows.
    levels: u32,
    root: AtomicU64,
}

/// Links are frame numbers plus one, so that a zeroed table has none.
fn link_to(pfn: Pfn) -> u64 {
    u64::from(pfn.get()) + 1
}

fn linked(link: u64) -> Option<Pfn> {
    link.checked_sub(1).map(|number| Pfn::new(number as u32))
}

fn slot_index(level: u32, index: u64) -> usize {
    (index >> (9 * level)) as usize & 511
}

impl<M: Machine> SharedPages<M> {
    /// Room for `len` bytes; takes no frame yet.
    pub(crate) fn new(machine: M, len: u64) -> SharedPages<M> {
        let pages = len.div_ceil(PAGE);
        let mut levels = 0;
        while levels < 6 && pages > 1 << (9 * levels) {
            levels += 1;
        }
        SharedPages {
            machine,
            levels,
            root: AtomicU64::new(0),
        }
    }

    /// The page with this index, made if it is not there, with a reference for the caller.
    pub(crate) fn page(&self, index: u64) -> Result<Frame<M>, Error> {
        let mut slot = &self.root;
        let mut level = self.levels;
        loop {
            let pfn = match linked(slot.load(Ordering::Acquire)) {
                Some(pfn) => pfn,
                None => self.grow(slot, level, index)?,
            };
            let Some(below) = level.checked_sub(1) else {
                self.machine.retain(pfn);
                return Ok(Frame::adopt(&self.machine, pfn));
            };
            slot = &self.machine.table(pfn)[slot_index(below, index)];
            level = below;
        }
    }

    /// Makes the page and all tables that are missing between it and `slot`, and links them in at
    /// once, so that nothing empty stays behind when memory ends midway. Returns what is linked in
    /// the slot afterwards.
    fn grow(&self, slot: &AtomicU64, level: u32, index: u64) -> Result<Pfn, Error> {
        let mut top = self.machine.alloc_zeroed().ok_or(Error::NoMemory)?;
        for level in 0..level {
            let Some(table) = self.machine.alloc_zeroed() else {
                self.release(top, level);
                return Err(Error::NoMemory);
            };
            let slot = &self.machine.table(table)[slot_index(level, index)];
            slot.store(link_to(top), Ordering::Relaxed);
            top = table;
        }
        match slot.compare_exchange(0, link_to(top), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(top),
            Err(theirs) => {
                self.release(top, level);
                linked(theirs).ok_or(Error::NoMemory)
            }
        }
    }

    /// Gives back a page (level 0), or a table with all below it.
    fn release(&self, pfn: Pfn, level: u32) {
        if let Some(below) = level.checked_sub(1) {
            for slot in self.machine.table(pfn) {
                if let Some(child) = linked(slot.load(Ordering::Relaxed)) {
                    self.release(child, below);
                }
            }
        }
        self.machine.release(pfn);
    }
}

impl<M: Machine> Drop for SharedPages<M> {
    fn drop(&mut self) {
        if let Some(top) = linked(*self.root.get_mut()) {
            self.release(top, self.levels);
        }
    }
}
