//! The page table of a space: walking it, putting pages in, taking them out. All knowledge of how
//! tables hang together is here, so that a table shared between spaces would be a matter of this
//! module alone.

mod clear;
mod protect;
mod relocate;
mod share;

use crate::machine::Frame;
use crate::sv39::{Entry, Level, PAGE, Table};
use crate::{Error, Flush, Machine, SpaceId};
use abi::Prot;
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use frames::Pfn;

/// A page table with its root, and counts of what is in it.
pub(crate) struct PageTable<M: Machine> {
    machine: M,
    root: Pfn,
    id: SpaceId,
    /// Tables below the root.
    tables: usize,
    /// Pages with a frame, those of the zero page not among them.
    resident: usize,
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

/// Where the entry of one page is, with the tables that were missing on the way to it. They are
/// linked when the entry is set, and go back if that never comes.
pub(crate) struct Place<M: Machine> {
    leaf: Pfn,
    made: Option<Made<M>>,
}

struct Made<M: Machine> {
    /// The entry that the new tables hang from.
    parent: Pfn,
    level: Level,
    middle: Option<Frame<M>>,
    leaf: Frame<M>,
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
            resident: 0,
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

    pub(crate) fn flush(&self, stale: Stale) {
        match stale {
            Stale::Nothing => {}
            Stale::Page(addr) => self.machine.flush(self.id, Flush::Page(addr)),
            Stale::Many => self.machine.flush(self.id, Flush::All),
        }
    }

    /// The table of `level` around `addr`, if there is one.
    fn table_at(&self, level: Level, addr: u64) -> Option<Pfn> {
        let mut at = Level::ROOT;
        let mut table = self.root;
        while at != level {
            let entry = Entry::load(&self.machine.table(table)[at.index(addr)]);
            if entry.is_vacant() {
                return None;
            }
            table = entry.pfn();
            at = at.below()?;
        }
        Some(table)
    }

    /// The entry of the page at `addr`, an address of the user half.
    pub(crate) fn entry(&self, addr: u64) -> Entry {
        match self.table_at(Level::LEAF, addr) {
            Some(leaf) => Entry::load(&self.machine.table(leaf)[Level::LEAF.index(addr)]),
            None => Entry::VACANT,
        }
    }

    /// The frame behind the page at `addr`, an address of the user half, and what a program may do
    /// with it; `None` where an access would fault. It goes by what the format allows, pages of all
    /// sizes, not by what this module makes.
    pub(crate) fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        let mut level = Level::ROOT;
        let mut table = self.root;
        loop {
            let entry = Entry::load(&self.machine.table(table)[level.index(addr)]);
            if !entry.is_table() {
                let prot = entry.prot();
                let frame = entry.frame_at(level, addr);
                return frame.filter(|_| !prot.is_empty()).map(|pfn| (pfn, prot));
            }
            table = entry.pfn();
            level = level.below()?;
        }
    }

    /// The lowest leaf table that has entries for `range`, with the part of the range it is for.
    fn next_leaf(&self, range: Range<u64>) -> Option<(Pfn, Range<u64>)> {
        let mut addr = range.start;
        while addr < range.end {
            let Some(middle) = self.table_at(Level::MIDDLE, addr) else {
                addr = Level::MIDDLE.table_around(addr).end;
                continue;
            };
            let next = Level::LEAF.table_around(addr).end.min(range.end);
            let entry = Entry::load(&self.machine.table(middle)[Level::MIDDLE.index(addr)]);
            if !entry.is_vacant() {
                return Some((entry.pfn(), addr..next));
            }
            addr = next;
        }
        None
    }

    /// Reserves what it takes to set the entry of the page at `addr`.
    pub(crate) fn place(&self, addr: u64) -> Result<Place<M>, Error> {
        if let Some(leaf) = self.table_at(Level::LEAF, addr) {
            return Ok(Place { leaf, made: None });
        }
        let new = || Frame::zeroed(&self.machine).ok_or(Error::NoMemory);
        let leaf = new()?;
        let made = match self.table_at(Level::MIDDLE, addr) {
            Some(parent) => Made {
                parent,
                level: Level::MIDDLE,
                middle: None,
                leaf,
            },
            None => Made {
                parent: self.root,
                level: Level::ROOT,
                middle: Some(new()?),
                leaf,
            },
        };
        Ok(Place {
            leaf: made.leaf.pfn(),
            made: Some(made),
        })
    }

    /// Sets the entry of the page at `addr` to a frame whose reference passes to the table. The
    /// place must be that address's, and must have been vacant; nothing was changed since.
    pub(crate) fn put(&mut self, addr: u64, place: Place<M>, entry: Entry) {
        let leaf = self.link(addr, place);
        entry.store(&self.machine.table(leaf)[Level::LEAF.index(addr)]);
        self.resident += usize::from(entry.pfn() != self.machine.zero_page());
    }

    /// Links the tables that a place reserved; returns the leaf table.
    fn link(&mut self, addr: u64, place: Place<M>) -> Pfn {
        let Some(Made {
            parent,
            level,
            middle,
            leaf,
        }) = place.made
        else {
            return place.leaf;
        };
        let mut top = Entry::table(leaf.into_pfn());
        self.tables += 1;
        if let Some(middle) = middle {
            top.store(&self.machine.table(middle.pfn())[Level::MIDDLE.index(addr)]);
            top = Entry::table(middle.into_pfn());
            self.tables += 1;
        }
        top.store(&self.machine.table(parent)[level.index(addr)]);
        place.leaf
    }

    /// Replaces a present entry by another, whose frame's reference passes to the table; that of the
    /// old frame goes back if it is another.
    pub(crate) fn replace(&mut self, addr: u64, entry: Entry) {
        let Some(leaf) = self.table_at(Level::LEAF, addr) else {
            return;
        };
        let slot = &self.machine.table(leaf)[Level::LEAF.index(addr)];
        let old = Entry::load(slot).pfn();
        entry.store(slot);
        if old == entry.pfn() {
            return;
        }
        self.flush(Stale::Page(addr));
        if old == self.machine.zero_page() {
            self.resident += 1;
        } else {
            self.machine.release(old);
        }
    }
}

/// Gives back the root. Everything below must have been cleared.
impl<M: Machine> Drop for PageTable<M> {
    fn drop(&mut self) {
        debug_assert_eq!(
            (self.tables, self.resident),
            (0, 0),
            "something is left in the table"
        );
        self.machine.release(self.root);
    }
}

/// The entries of a leaf table for `range`, which is inside the span of the table.
fn part<'a>(table: &'a Table, range: &Range<u64>) -> &'a [AtomicU64] {
    let first = Level::LEAF.index(range.start);
    let count = ((range.end - range.start) / PAGE) as usize;
    table.get(first..first + count).unwrap_or(&[])
}
