//! Anonymous memory that several spaces share: a tree of frames, indexed by page, that all their
//! regions point to. A page is made by whoever touches it first and lives until the last region
//! that shows the memory is gone.
//!
//! The spaces have a lock each and this tree has none: a frame is linked in with one compare and
//! exchange, after which the link never changes. Whoever loses that race uses the winner's frame.
//! The link to the root alone changes when the memory grows: the old tree becomes a part of a higher
//! one, and whoever still walks from the old root comes to the same pages.

use crate::account::tree;
use crate::machine::Frame;
use crate::{Error, Machine};
use core::sync::atomic::{AtomicU64, Ordering};
use frames::Pfn;
use paging::PAGE;

/// The memory itself.
pub(crate) struct SharedPages<M: Machine> {
    machine: M,
    /// Levels of tables above the pages, as few as the size at first allows.
    levels: u32,
    /// A [`Root`], or 0.
    root: AtomicU64,
    /// Pages that the machine has promised, with the tables above them.
    promised: AtomicU64,
}

/// The top of the tree: a page (level 0) or a table, and the levels of tables it stands for.
#[derive(Clone, Copy)]
struct Root {
    top: Pfn,
    levels: u32,
}

impl Root {
    fn load(word: u64) -> Option<Root> {
        linked(word >> 3).map(|top| Root {
            top,
            levels: word as u32 & 7,
        })
    }

    fn word(self) -> u64 {
        link_to(self.top) << 3 | u64::from(self.levels)
    }
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

/// The levels of tables that a tree of this many pages needs.
fn levels_for(pages: u64) -> u32 {
    let mut levels = 0;
    while levels < 6 && pages > 1 << (9 * levels) {
        levels += 1;
    }
    levels
}

impl<M: Machine> SharedPages<M> {
    /// Room for `len` bytes; takes no frame yet. It grows when a page behind them is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] where the machine does not promise as much.
    pub(crate) fn new(machine: M, len: u64) -> Result<SharedPages<M>, Error> {
        let pages = len.div_ceil(PAGE);
        let shared = SharedPages {
            machine,
            levels: levels_for(pages),
            root: AtomicU64::new(0),
            promised: AtomicU64::new(0),
        };
        shared.promise(pages)?;
        Ok(shared)
    }

    /// Has the machine promise so many pages from the first on, if it has not yet; how many it had.
    pub(crate) fn promise(&self, pages: u64) -> Result<u64, Error> {
        loop {
            let old = self.promised.load(Ordering::Relaxed);
            if pages <= old {
                return Ok(old);
            }
            let more = tree(pages) - tree(old);
            if !self.machine.commit(more) {
                return Err(Error::NoMemory);
            }
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let won = self.promised.compare_exchange(old, pages, success, failure);
            if won.is_ok() {
                return Ok(old);
            }
            self.machine.uncommit(more);
        }
    }

    /// Takes a promise of so many pages back for the one before, unless somebody has had it made
    /// larger since.
    pub(crate) fn unpromise(&self, pages: u64, old: u64) {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let back = || {
            self.promised
                .compare_exchange(pages, old, success, failure)
                .is_ok()
        };
        if old < pages && back() {
            self.machine.uncommit(tree(pages) - tree(old));
        }
    }

    /// The page with this index, made if it is not there, with a reference for the caller.
    pub(crate) fn page(&self, index: u64) -> Result<Frame<M>, Error> {
        let root = self.root_over(index)?;
        let (mut pfn, mut level) = (root.top, root.levels);
        while let Some(below) = level.checked_sub(1) {
            let slot = &self.machine.table(pfn)[slot_index(below, index)];
            pfn = match linked(slot.load(Ordering::Acquire)) {
                Some(pfn) => pfn,
                None => self.grow(slot, below, index)?,
            };
            level = below;
        }
        self.machine.retain(pfn);
        Ok(Frame::adopt(&self.machine, pfn))
    }

    /// The root of a tree that is high enough for a page with this index.
    fn root_over(&self, index: u64) -> Result<Root, Error> {
        let needed = levels_for(index.saturating_add(1));
        loop {
            let word = self.root.load(Ordering::Acquire);
            let old = Root::load(word);
            let new = match old {
                Some(root) if root.levels >= needed => return Ok(root),
                Some(root) => self.raised(root, needed, index)?,
                None => {
                    let levels = self.levels.max(needed);
                    let top = self.path(levels, index)?;
                    Root { top, levels }
                }
            };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            let won = self
                .root
                .compare_exchange(word, new.word(), success, failure);
            if won.is_ok() {
                return Ok(new);
            }
            if let Some(old) = old {
                self.detach(new, old);
            }
            self.release(new.top, new.levels);
        }
    }

    /// A higher tree over the old one, with the page that it is raised for.
    fn raised(&self, old: Root, levels: u32, index: u64) -> Result<Root, Error> {
        let below = levels.saturating_sub(1);
        let page = self.path(below, index)?;
        let mut top = old;
        while top.levels < levels {
            let Some(table) = self.machine.alloc_zeroed() else {
                if top.levels > old.levels {
                    self.detach(top, old);
                    self.release(top.top, top.levels);
                }
                self.release(page, below);
                return Err(Error::NoMemory);
            };
            self.machine.table(table)[0].store(link_to(top.top), Ordering::Relaxed);
            top = Root {
                top: table,
                levels: top.levels + 1,
            };
        }
        let slot = &self.machine.table(top.top)[slot_index(below, index)];
        slot.store(link_to(page), Ordering::Relaxed);
        Ok(top)
    }

    /// Takes the old tree out of a higher one that was not linked in.
    fn detach(&self, new: Root, old: Root) {
        let mut table = new.top;
        for _ in old.levels + 1..new.levels {
            let slot = &self.machine.table(table)[0];
            table = linked(slot.load(Ordering::Relaxed)).unwrap_or(table);
        }
        self.machine.table(table)[0].store(0, Ordering::Relaxed);
    }

    /// Makes the page and all tables that are missing between it and `slot`, and links them in at
    /// once, so that nothing empty stays behind when memory ends midway. Returns what is linked in
    /// the slot afterwards.
    fn grow(&self, slot: &AtomicU64, level: u32, index: u64) -> Result<Pfn, Error> {
        let top = self.path(level, index)?;
        match slot.compare_exchange(0, link_to(top), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(top),
            Err(theirs) => {
                self.release(top, level);
                linked(theirs).ok_or(Error::NoMemory)
            }
        }
    }

    /// A new page below as many new tables, which link to nothing else; the topmost of them.
    fn path(&self, levels: u32, index: u64) -> Result<Pfn, Error> {
        let mut top = self.machine.alloc_zeroed().ok_or(Error::NoMemory)?;
        for level in 0..levels {
            let Some(table) = self.machine.alloc_zeroed() else {
                self.release(top, level);
                return Err(Error::NoMemory);
            };
            let slot = &self.machine.table(table)[slot_index(level, index)];
            slot.store(link_to(top), Ordering::Relaxed);
            top = table;
        }
        Ok(top)
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
        if let Some(root) = Root::load(*self.root.get_mut()) {
            self.release(root.top, root.levels);
        }
        self.machine.uncommit(tree(*self.promised.get_mut()));
    }
}
