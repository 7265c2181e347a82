//! Inspection of a space: how many pages a range has, and the entries of its page table. Handles whatever the
//! format allows, including superpages of any size.

use crate::{AddressSpace, Files, Regions};
use abi::TableEntry;
use core::iter::from_fn;
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Entry, Level, PAGE, page_down};

/// Pages of a range by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Pages with a frame.
    pub resident: usize,
    /// Of these, pages whose frame others use too.
    pub shared: usize,
    /// Pages that show the zero page; not resident.
    pub zero: usize,
    /// Resident pages in superpages.
    pub large: usize,
}

impl Usage {
    /// The sum.
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            resident: self.resident + other.resident,
            shared: self.shared + other.shared,
            zero: self.zero + other.zero,
            large: self.large + other.large,
        }
    }
}

/// An entry and its place.
struct Found {
    addr: u64,
    level: Level,
    /// Its table.
    table: Pfn,
    entry: Entry,
}

impl<M: Files> AddressSpace<M> {
    /// The regions that end above `from`, in order of address.
    pub fn regions_from(&self, from: u64) -> Regions<'_, M> {
        self.regions.within(from..abi::MAXVA)
    }

    /// Page-table pages, including the root.
    pub fn page_tables(&self) -> usize {
        self.table.tables()
    }

    /// Entries in use from a place on, in preorder.
    fn entries(&self, mut cursor: Cursor<M>, end: u64) -> impl Iterator<Item = Found> {
        let end = end.min(abi::MAXVA);
        from_fn(move || {
            while cursor.addr() < end {
                let found = Found {
                    addr: cursor.addr(),
                    level: cursor.level(),
                    table: cursor.table(),
                    entry: cursor.entry(),
                };
                step(&mut cursor);
                if found.entry != Entry::Empty {
                    return Some(found);
                }
            }
            None
        })
    }

    fn cursor(&self, addr: u64) -> Cursor<M> {
        Cursor::new(self.machine().clone(), self.root(), addr)
    }

    /// Counts the pages of a page-aligned range, by a walk over its tables.
    pub fn usage(&self, range: Range<u64>) -> Usage {
        let zero = self.machine().zero_page();
        let mut usage = Usage::default();
        for found in self.entries(self.cursor(range.start), range.end) {
            let (level, Entry::Leaf(leaf)) = (found.level, found.entry) else {
                continue;
            };
            // The first entry may begin before the range.
            let last = found.addr | (level.entry_span() - 1);
            let end = (last + 1).min(range.end);
            let pages = (end.saturating_sub(found.addr) / PAGE) as usize;
            if leaf.pfn() == zero {
                usage.zero += pages;
                continue;
            }
            usage.resident += pages;
            if level != Level::LEAF {
                usage.large += pages;
            }
            let unique = if level == Level::SUPERPAGE && leaf.frame_at(level, 0).is_some() {
                self.machine().is_unique_large(leaf.pfn())
            } else {
                self.machine().is_unique(leaf.pfn())
            };
            let shared = level != Level::ROOT && !self.machine().is_unique(found.table);
            if shared || !unique {
                usage.shared += pages;
            }
        }
        usage
    }

    /// The entries of the user half after the place `after` (see [`TableEntry::place`]), starting with the
    /// record of the root table. Any number is accepted: an invalid place stands for a nearby one.
    pub fn table_entries(&self, after: u64) -> impl Iterator<Item = TableEntry> {
        let after = TableEntry {
            place: after,
            bits: 0,
        };
        let root = TableEntry {
            place: TableEntry::ROOT.into(),
            bits: Entry::Branch(self.root()).bits(),
        };
        let first = after.level() > TableEntry::ROOT;
        let entries = self.entries(self.behind(after), abi::MAXVA);
        let entries = entries.map(|found| TableEntry {
            place: page_down(found.addr) | u64::from(found.level.number()),
            bits: found.entry.bits(),
        });
        first.then_some(root).into_iter().chain(entries)
    }

    /// The place after an entry, in preorder.
    fn behind(&self, after: TableEntry) -> Cursor<M> {
        let Some(level) = Level::with_number(after.level()) else {
            return self.cursor(0);
        };
        let addr = after.address() & !(level.entry_span() - 1);
        if addr >= abi::MAXVA {
            return self.cursor(addr);
        }
        let mut cursor = self.cursor(addr).look_up(level);
        step(&mut cursor);
        cursor
    }
}

/// Moves to the next entry, in preorder.
fn step<M: Files>(cursor: &mut Cursor<M>) {
    if !cursor.enter() {
        cursor.advance();
    }
}
