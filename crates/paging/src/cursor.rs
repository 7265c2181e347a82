//! The cursor: a place in a tree of tables, and the ways from there.

use crate::entry::{Entry, Leaf};
use crate::level::{Level, canonical};
use crate::slot::{Slot, Tables, init_empty};
use core::iter::from_fn;
use core::ops::Range;
use frames::Pfn;

/// The place of one entry in a tree of page tables: the one of its level that is for its address.
///
/// It stays good while the tables from the root to its own stay. Where one of them is replaced or
/// goes, look up anew.
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

    /// The address that it is at; for some levels in the middle of what the entry spans.
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

    /// The place of the entry, for changing it.
    #[inline(always)]
    pub fn slot(&self) -> Slot<'_> {
        Slot::new(self.tables.table(self.table), self.level, self.addr)
    }

    /// Goes down to the entry of the next table for the same address; false, and nothing happens, where
    /// no table is.
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

    /// Goes down to the entry of `level` for the same address; where tables are missing or a superpage
    /// is in the way, as far as it goes.
    pub fn look_up(mut self, level: Level) -> Cursor<T> {
        while self.level > level && self.enter() {}
        self
    }

    /// Goes down to the entry of `level` for the same address, and makes the tables that are missing
    /// out of frames of any content, which belong to the tree from now on. Where a superpage is in the
    /// way, it ends there. An error leaves what was made.
    pub fn make_room<E>(
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

    /// Goes on behind all that the entry spans: to the first entry there, of the highest level. Behind
    /// the last one of all the address is `u64::MAX`.
    #[inline(always)]
    pub fn advance(&mut self) {
        let span = self.level.entry_span();
        self.addr = canonical((self.addr & !(span - 1)).saturating_add(span));
        if self.level.index(self.addr) == 0 {
            self.climb();
        }
    }

    /// The table has ended: the next entry is in one above.
    #[inline(never)]
    fn climb(&mut self) {
        (self.table, self.level) = (self.root, Level::ROOT);
        let level = Level::starting_at(self.addr);
        while self.level > level && self.enter() {}
    }

    /// Goes on to the next entry in use, this one first, from the address it is at to `end`; `None`
    /// when there is no more. Branches above `level` are followed, and count as nothing where nothing
    /// is behind them.
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

    /// The entries that [`find`](Self::find) finds one after the other, each with the part of the
    /// addresses that it spans. Those that were not reached yet may change meanwhile.
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

    /// Splits a superpage: makes `table`, a frame of any content, a table of pages one level down with
    /// the same frames and rights, and puts it in the superpage's place. Returns the superpage, or
    /// `None` where there is none, and then nothing has happened.
    pub fn split(&self, table: Pfn) -> Option<Leaf> {
        let (superpage, below) = (self.entry().leaf()?, self.level.below()?);
        let mut offset = 0;
        for slot in self.tables.all_slots(table, below) {
            slot.init(Entry::Leaf(superpage.part(self.level, offset)));
            offset += below.entry_span();
        }
        self.slot().replace(Entry::Branch(table)).leaf()
    }

    /// The superpage that the entries of this table are when taken together: they name all its frames
    /// in order, with the same rights.
    pub fn joined(&self) -> Option<Leaf> {
        let above = Level::with_number(self.level.number() + 1)?;
        let mut slots = self.tables.all_slots(self.table, self.level);
        let first = slots.next()?.leaf()?;
        first.frame_at(above, 0)?;
        let mut offset = 0;
        let alike = slots.all(|slot| {
            offset += self.level.entry_span();
            slot.leaf() == Some(first.part(above, offset))
        });
        alike.then_some(first)
    }
}
