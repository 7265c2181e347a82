//! The levels of the tree of tables, and what their entries span.

use crate::sv39 as format;
use core::ops::Range;

/// Bytes in a page.
pub const PAGE: u64 = Level::LEAF.entry_span();

/// Bytes in the smallest superpage.
pub const SUPERPAGE: u64 = Level::SUPERPAGE.entry_span();

const _: () = assert!(PAGE == abi::PAGE_SIZE as u64);

/// A level of the tree of tables, by its number: 0 is that of the pages, the last is the root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u32);

impl Level {
    /// The top of the tree, one table.
    pub const ROOT: Level = Level(format::LEVELS - 1);
    /// Its leaves are the smallest superpages.
    pub const SUPERPAGE: Level = Level(1);
    /// The bottom of the tree: entries are pages, and no branches.
    pub const LEAF: Level = Level(0);

    /// The level with this number.
    pub fn with_number(number: u32) -> Option<Level> {
        (number <= Level::ROOT.0).then_some(Level(number))
    }

    /// The number of the level.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// All levels, from the pages upwards.
    pub fn all() -> impl DoubleEndedIterator<Item = Level> {
        Level(format::LEVELS).all_below()
    }

    /// All levels below this one, from the pages upwards.
    pub fn all_below(self) -> impl DoubleEndedIterator<Item = Level> {
        (0..self.0).map(Level)
    }

    /// The level below; none below the pages.
    pub fn below(self) -> Option<Level> {
        self.0.checked_sub(1).map(Level)
    }

    /// Bytes that one entry of this level spans.
    pub const fn entry_span(self) -> u64 {
        1 << self.shift()
    }

    const fn shift(self) -> u32 {
        format::PAGE_SHIFT + format::INDEX_BITS * self.0
    }

    /// Bytes that a whole table of this level spans.
    pub const fn table_span(self) -> u64 {
        self.entry_span() << format::INDEX_BITS
    }

    /// The entry of this level's table that `addr` falls into.
    pub const fn index(self, addr: u64) -> usize {
        (addr >> self.shift()) as usize & (format::ENTRIES - 1)
    }

    /// The addresses that the table of this level around `addr` spans.
    pub fn table_around(self, addr: u64) -> Range<u64> {
        let start = addr & !(self.table_span() - 1);
        start..start + self.table_span()
    }

    /// The highest level with an entry that begins at `addr`, a multiple of the page.
    pub(crate) fn starting_at(addr: u64) -> Level {
        let mut levels = Level::all();
        let aligned = |level: &Level| addr.is_multiple_of(level.entry_span());
        levels.rfind(aligned).unwrap_or(Level::LEAF)
    }
}

/// The address that these bits are translated as: those above the format's repeat the highest of it.
pub(crate) const fn canonical(addr: u64) -> u64 {
    let unused = u64::BITS - format::ADDRESS_BITS;
    ((addr << unused) as i64 >> unused) as u64
}

/// The page that `addr` is in.
pub const fn page_down(addr: u64) -> u64 {
    addr & !(PAGE - 1)
}

/// `bytes` rounded up to whole pages; `None` when that is beyond 64 bits.
pub fn page_up(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(PAGE)
}
