//! The page table of a space: walking it, putting pages in, taking them out. All knowledge of how
//! tables hang together is here.
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

/// What there is for 2 MiB of addresses.
#[derive(Clone, Copy)]
enum Chunk {
    /// A table of pages.
    Pages(Pfn),
    /// A large page.
    Large(Entry),
}

/// Where the entry of one page is, with what was missing on the way to it: linked when the entry is
/// set, given back if that never comes.
pub(crate) struct Place<M: Machine> {
    leaf: Pfn,
    missing: Missing<M>,
}

enum Missing<M: Machine> {
    Nothing,
    /// A table instead of one that other spaces have too.
    Twin(Frame<M>),
    Tables(Made<M>),
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

    /// The table of `level` around `addr`, if there is one.
    fn table_at(&self, level: Level, addr: u64) -> Option<Pfn> {
        let mut at = Level::ROOT;
        let mut table = self.root;
        while at != level {
            let entry = Entry::load(&self.machine.table(table)[at.index(addr)]);
            if !entry.is_table() {
                return None;
            }
            table = entry.pfn();
            at = at.below()?;
        }
        Some(table)
    }

    /// The entry for the 2 MiB around `addr`, if there is a table that has it.
    #[inline(never)]
    fn chunk_slot(&self, addr: u64) -> Option<&AtomicU64> {
        let middle = self.table_at(Level::MIDDLE, addr)?;
        Some(&self.machine.table(middle)[Level::MIDDLE.index(addr)])
    }

    fn chunk(&self, addr: u64) -> Option<Chunk> {
        let entry = Entry::load(self.chunk_slot(addr)?);
        if entry.is_table() {
            return Some(Chunk::Pages(entry.pfn()));
        }
        (!entry.is_vacant()).then_some(Chunk::Large(entry))
    }

    /// The entry of the page at `addr`, an address of the user half; for a part of a large page,
    /// what it would be.
    pub(crate) fn entry(&self, addr: u64) -> Entry {
        match self.chunk(addr) {
            Some(Chunk::Pages(leaf)) => {
                Entry::load(&self.machine.table(leaf)[Level::LEAF.index(addr)])
            }
            Some(Chunk::Large(entry)) => entry.inside(addr),
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

    /// The lowest chunk that has anything in `range`, or a table for it, with the part of the range
    /// that it is for.
    fn next_chunk(&self, range: Range<u64>) -> Option<(Chunk, Range<u64>)> {
        let mut addr = range.start;
        while addr < range.end {
            let Some(middle) = self.table_at(Level::MIDDLE, addr) else {
                addr = Level::MIDDLE.table_around(addr).end;
                continue;
            };
            let next = Level::LEAF.table_around(addr).end.min(range.end);
            let entry = Entry::load(&self.machine.table(middle)[Level::MIDDLE.index(addr)]);
            if entry.is_table() {
                return Some((Chunk::Pages(entry.pfn()), addr..next));
            }
            if !entry.is_vacant() {
                return Some((Chunk::Large(entry), addr..next));
            }
            addr = next;
        }
        None
    }

    /// Whether the entry has a frame that the table counts.
    fn counts(&self, entry: Entry) -> bool {
        !entry.is_vacant() && entry.pfn() != self.machine.zero_page()
    }

    /// Pages of `range` with a frame, that of zeroes not among them.
    pub(crate) fn pages_in(&self, range: Range<u64>) -> usize {
        let mut pages = 0;
        let mut from = range.start;
        while let Some((chunk, inside)) = self.next_chunk(from..range.end) {
            from = inside.end;
            pages += match chunk {
                Chunk::Large(_) => ((inside.end - inside.start) / PAGE) as usize,
                Chunk::Pages(table) => self.pages_among(part(self.machine.table(table), &inside)),
            };
        }
        pages
    }

    /// Reserves what it takes to set the entry of the page at `addr`, which is vacant.
    #[inline(never)]
    pub(crate) fn place(&self, addr: u64) -> Result<Place<M>, Error> {
        let new = || Frame::zeroed(&self.machine).ok_or(Error::NoMemory);
        if let Some(leaf) = self.table_at(Level::LEAF, addr) {
            let missing = if self.machine.is_unique(leaf) {
                Missing::Nothing
            } else {
                Missing::Twin(Frame::any(&self.machine).ok_or(Error::NoMemory)?)
            };
            return Ok(Place { leaf, missing });
        }
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
            missing: Missing::Tables(made),
        })
    }

    /// Sets the entry of the page at `addr` to a frame whose reference passes to the table. The
    /// place must be that address's, and must have been vacant; nothing was changed since.
    pub(crate) fn put(&mut self, addr: u64, place: Place<M>, entry: Entry) {
        let leaf = self.link(addr, place);
        entry.store(&self.machine.table(leaf)[Level::LEAF.index(addr)]);
        self.resident += usize::from(entry.pfn() != self.machine.zero_page());
    }

    /// Links what a place reserved; returns the leaf table.
    fn link(&mut self, addr: u64, place: Place<M>) -> Pfn {
        let Made {
            parent,
            level,
            middle,
            leaf,
        } = match place.missing {
            Missing::Nothing => return place.leaf,
            Missing::Twin(frame) => return self.own_table(addr, place.leaf, frame),
            Missing::Tables(made) => made,
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

    /// The entry for the 2 MiB around `addr`, with the table for it if that was missing.
    #[inline(never)]
    fn make_chunk_slot(&mut self, addr: u64) -> Result<&AtomicU64, Error> {
        let middle = match self.table_at(Level::MIDDLE, addr) {
            Some(middle) => middle,
            None => {
                let middle = Frame::zeroed(&self.machine).ok_or(Error::NoMemory)?;
                let middle = middle.into_pfn();
                let slot = &self.machine.table(self.root)[Level::ROOT.index(addr)];
                Entry::table(middle).store(slot);
                self.tables += 1;
                middle
            }
        };
        Ok(&self.machine.table(middle)[Level::MIDDLE.index(addr)])
    }

    /// Replaces a present entry, in a table that is this space's own, by another, whose frame's
    /// reference passes to the table; that of the old frame goes back if it is another.
    pub(crate) fn replace(&mut self, addr: u64, entry: Entry) {
        let Some(leaf) = self.table_at(Level::LEAF, addr) else {
            return;
        };
        let slot = &self.machine.table(leaf)[Level::LEAF.index(addr)];
        let old = Entry::load(slot).pfn();
        entry.store(slot);
        // Also when nothing but rights was gained: the hardware may remember that there were fewer,
        // and the program would be here once more.
        self.flush(Stale::Page(addr));
        if old == entry.pfn() {
            return;
        }
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
            (self.tables, self.large, self.resident),
            (0, 0, 0),
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
