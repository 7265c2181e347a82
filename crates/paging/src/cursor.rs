//! The cursor: a position in a tree of page tables.

use crate::entry::{Entry, Leaf};
use crate::level::{Level, canonical};
use crate::slot::{Slot, Tables, init_empty};
use core::iter::from_fn;
use core::ops::Range;
use frames::Pfn;

/// The position of one entry in a tree of page tables: the one of its level for its address.
///
/// It is valid while the tables from the root to its own stay linked; after that, look up again.
#[derive(Clone)]
pub struct Cursor<T: Tables> {
    tables: T,
    root: Pfn,
    table: Pfn,
    level: Level,
    addr: u64,
}

impl<T: Tables> Cursor<T> {
    /// The entry of the root table for `addr`.
    pub fn new(tables: T, root: Pfn, addr: u64) -> Cursor<T> {
        Cursor {
            tables,
            root,
            table: root,
            level: Level::ROOT,
            addr,
        }
    }

    /// The address, which may be inside the span of the entry.
    pub fn addr(&self) -> u64 {
        self.addr
    }

    /// The level of the entry.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The frame of the table that has the entry.
    pub fn table(&self) -> Pfn {
        self.table
    }

    /// The entry.
    #[inline(always)]
    pub fn entry(&self) -> Entry {
        self.slot().get()
    }

    /// The slot of the entry, for changing it.
    #[inline(always)]
    pub fn slot(&self) -> Slot<'_> {
        Slot::new(self.tables.table(self.table), self.level, self.addr)
    }

    /// Descends to the next table, for the same address; returns false, with nothing done, if there is none.
    #[inline(always)]
    pub fn enter(&mut self) -> bool {
        match (self.entry(), self.level.below()) {
            (Entry::Branch(table), Some(below)) => {
                (self.table, self.level) = (table, below);
                true
            }
            _ => false,
        }
    }

    /// Descends to the entry of `level` for the same address, or as far as there are tables.
    pub fn look_up(mut self, level: Level) -> Cursor<T> {
        while self.level > level && self.enter() {}
        self
    }

    /// Descends to the entry of `level` for the same address, and allocates missing tables from `frame`, whose
    /// contents are undefined. Ends at a superpage above. After an error, the tables made so far stay.
    pub fn alloc_tables<E>(
        &mut self,
        level: Level,
        mut frame: impl FnMut() -> Result<Pfn, E>,
    ) -> Result<(), E> {
        while self.level > level {
            if self.entry() == Entry::Empty {
                let table = frame()?;
                init_empty(self.tables.table(table));
                self.slot().set(Entry::Branch(table));
            }
            if !self.enter() {
                break;
            }
        }
        Ok(())
    }

    /// Advances past the span of the entry: to the next entry, of the highest level that starts there. Behind
    /// the last one the address is `u64::MAX`.
    #[inline(always)]
    pub fn advance(&mut self) {
        let span = self.level.entry_span();
        self.addr = canonical((self.addr & !(span - 1)).saturating_add(span));
        if self.level.index(self.addr) == 0 {
            self.climb();
        }
    }

    /// At the end of a table: walks down from the root again.
    #[inline(never)]
    fn climb(&mut self) {
        (self.table, self.level) = (self.root, Level::ROOT);
        let level = Level::starting_at(self.addr);
        while self.level > level && self.enter() {}
    }

    /// Finds the next entry in use, including this one, from the current address to `end`; `None` if there is
    /// none. Branches above `level` are followed, and skipped if empty.
    #[inline(always)]
    pub fn find(&mut self, level: Level, end: u64) -> Option<Entry> {
        while self.addr < end {
            match self.entry() {
                Entry::Empty => self.advance(),
                Entry::Branch(_) if self.level > level => drop(self.enter()),
                entry => return Some(entry),
            }
        }
        None
    }

    /// The entries that [`find`](Self::find) finds, each with the part of the range that it spans. Entries not
    /// visited yet may change meanwhile.
    pub fn entries(mut self, level: Level, end: u64) -> impl Iterator<Item = (Entry, Range<u64>)> {
        from_fn(move || match self.addr < end {
            true => self.next_entry(level, end),
            false => None,
        })
    }

    #[inline(never)]
    fn next_entry(&mut self, level: Level, end: u64) -> Option<(Entry, Range<u64>)> {
        let entry = self.find(level, end)?;
        let (start, last) = (self.addr, self.addr | (self.level.entry_span() - 1));
        self.advance();
        Some((entry, start..last.min(end - 1) + 1))
    }

    /// Splits a superpage: makes `table`, a frame with undefined contents, a table one level down with the same
    /// frames and permissions, and replaces the superpage with it. Returns the superpage, or `None`, with
    /// nothing done, if there is none.
    pub fn split(&self, table: Pfn) -> Option<Leaf> {
        let (superpage, below) = (self.entry().leaf()?, self.level.below()?);
        let mut offset = 0;
        for slot in self.tables.all_slots(table, below) {
            slot.init(Entry::Leaf(superpage.page_at(self.level, offset)));
            offset += below.entry_span();
        }
        self.slot().replace(Entry::Branch(table)).leaf()
    }

    /// The superpage that could replace this table: its entries have all frames of it, in order, with the same
    /// permissions.
    pub fn joined(&self) -> Option<Leaf> {
        let above = Level::with_number(self.level.number() + 1)?;
        let mut slots = self.tables.all_slots(self.table, self.level);
        let first = slots.next()?.leaf()?;
        first.frame_at(above, 0)?;
        let mut offset = 0;
        let alike = slots.all(|slot| {
            offset += self.level.entry_span();
            slot.leaf() == Some(first.page_at(above, offset))
        });
        alike.then_some(first)
    }
}
