//! Looking at a space from outside: how many pages a range has, and the entries of the page table
//! one by one. It goes by what the format allows, pages of all sizes, not by what the crate makes.

use crate::sv39::{Entry, Level, PAGE};
use crate::{AddressSpace, Machine, Regions};
use abi::TableEntry;
use core::ops::Range;
use frames::Pfn;

/// What the table has for a range, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// With a frame.
    pub resident: usize,
    /// Of these, with a frame that somebody else has too.
    pub shared: usize,
    /// That show the common page of zeroes; not resident.
    pub zero: usize,
    /// Resident ones in pages larger than the smallest.
    pub large: usize,
}

impl Usage {
    /// Both together.
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            resident: self.resident + other.resident,
            shared: self.shared + other.shared,
            zero: self.zero + other.zero,
            large: self.large + other.large,
        }
    }
}

/// Which entry of which level: the one that spans `addr`, a multiple of that span.
#[derive(Clone, Copy)]
struct Place {
    addr: u64,
    level: Level,
}

impl Place {
    /// The first place behind all that is below `addr`, a multiple of the page: as high as goes.
    fn at(addr: u64) -> Place {
        let mut level = Level::ROOT;
        while let Some(below) = level.below()
            && !addr.is_multiple_of(level.entry_span())
        {
            level = below;
        }
        Place { addr, level }
    }

    /// The first place behind the entry of `level` around `addr` and all below it.
    fn behind(addr: u64, level: Level) -> Place {
        let span = level.entry_span();
        Place::at((addr & !(span - 1)).saturating_add(span))
    }
}

/// An entry, and whether it is in a table that other spaces have too.
struct Found {
    place: Place,
    entry: Entry,
    shared: bool,
}

/// Entries in use, from a place on: each before those of the table it leads to.
struct Entries<'a, M: Machine> {
    machine: &'a M,
    root: Pfn,
    next: Place,
    end: u64,
}

impl<M: Machine> Entries<'_, M> {
    /// The entry of the place, or the level of the entry that is in the way.
    fn at(&self, place: Place) -> Result<Found, Level> {
        let mut level = Level::ROOT;
        let mut table = self.root;
        let mut shared = false;
        loop {
            let entry = Entry::load(&self.machine.table(table)[level.index(place.addr)]);
            if level == place.level {
                return Ok(Found {
                    place,
                    entry,
                    shared,
                });
            }
            let below = level.below().filter(|_| entry.is_table()).ok_or(level)?;
            (level, table) = (below, entry.pfn());
            shared |= !self.machine.is_unique(table);
        }
    }
}

impl<M: Machine> Iterator for Entries<'_, M> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while self.next.addr < self.end {
            let Place { addr, level } = self.next;
            let found = self.at(self.next);
            self.next = match (&found, level.below()) {
                (Ok(found), Some(below)) if found.entry.is_table() => Place { addr, level: below },
                (Ok(_), _) => Place::behind(addr, level),
                (Err(above), _) => Place::behind(addr, *above),
            };
            if let Ok(found) = found
                && !found.entry.is_vacant()
            {
                return Some(found);
            }
        }
        None
    }
}

impl<M: Machine> AddressSpace<M> {
    /// The regions that end above `from`, in order of address.
    pub fn regions_from(&self, from: u64) -> Regions<'_, M> {
        self.regions.within(from..abi::MAXVA)
    }

    /// Pages of page table, the root among them.
    pub fn page_tables(&self) -> usize {
        self.table.tables()
    }

    fn entries(&self, next: Place, end: u64) -> Entries<'_, M> {
        Entries {
            machine: self.machine(),
            root: self.root(),
            next,
            end: end.min(abi::MAXVA),
        }
    }

    /// What the table has for a range, whose ends are multiples of the page. It takes a walk over
    /// the tables that are there.
    pub fn usage(&self, range: Range<u64>) -> Usage {
        let zero = self.machine().zero_page();
        let start = Place {
            addr: range.start,
            level: Level::ROOT,
        };
        let mut usage = Usage::default();
        for found in self.entries(start, range.end) {
            let (Place { addr, level }, entry) = (found.place, found.entry);
            if level != Level::LEAF && entry.is_table() {
                continue;
            }
            // The first entry may begin before the range.
            let end = Place::behind(addr, level).addr.min(range.end);
            let pages = (end.saturating_sub(addr) / PAGE) as usize;
            if entry.pfn() == zero {
                usage.zero += pages;
                continue;
            }
            usage.resident += pages;
            if level != Level::LEAF {
                usage.large += pages;
            }
            let unique = if level == Level::MIDDLE && entry.frame_at(level, 0).is_some() {
                self.machine().is_unique_large(entry.pfn())
            } else {
                self.machine().is_unique(entry.pfn())
            };
            if found.shared || !unique {
                usage.shared += pages;
            }
        }
        usage
    }

    /// The entries of the user half behind the place `after` (see [`TableEntry::place`]), with the
    /// record of the root table before them. It may be any number: what is no place of an entry
    /// counts as one nearby.
    pub fn table_entries(&self, after: u64) -> impl Iterator<Item = TableEntry> {
        let after = TableEntry {
            place: after,
            bits: 0,
        };
        let root = TableEntry {
            place: TableEntry::ROOT.into(),
            bits: Entry::table(self.root()).bits(),
        };
        let first = after.level() > TableEntry::ROOT;
        let next = self.place_behind(after);
        let entries = self.entries(next, abi::MAXVA);
        let entries = entries.map(|Found { place, entry, .. }| TableEntry {
            place: place.addr | u64::from(place.level.number()),
            bits: entry.bits(),
        });
        first.then_some(root).into_iter().chain(entries)
    }

    fn place_behind(&self, after: TableEntry) -> Place {
        let Some(level) = Level::with_number(after.level()) else {
            return Place::at(0);
        };
        let place = Place {
            addr: after.address() & !(level.entry_span() - 1),
            level,
        };
        let leads_on = place.addr < abi::MAXVA
            && self
                .entries(place, 0)
                .at(place)
                .is_ok_and(|found| found.entry.is_table());
        match level.below() {
            Some(below) if leads_on => Place {
                addr: place.addr,
                level: below,
            },
            _ => Place::behind(place.addr, level),
        }
    }
}
