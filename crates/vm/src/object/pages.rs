//! The frames of an object by page number: an array of links in the heap, as long as it has to be, and tables
//! of 512 links, a frame each, between it and the pages where the array would get longer than such a table.

use crate::machine::Spare;
use crate::{Error, Machine};
use abi::Use;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::KVec;
use frames::Pfn;

/// Bits of a page number that the links of one table tell apart.
const BITS: u32 = 9;
/// Links in a table, and in the array at most.
const LINKS: u64 = 1 << BITS;

/// Links are frame numbers plus one, so that a zeroed table has none.
fn link_to(pfn: Pfn) -> u64 {
    u64::from(pfn.get()) + 1
}

fn linked(link: &AtomicU64) -> Option<Pfn> {
    let number = link.load(Ordering::Relaxed).checked_sub(1)?;
    Some(Pfn::new(number as u32))
}

/// Levels of tables that so many pages need below the array.
fn levels_for(pages: u64) -> u32 {
    let mut levels = 0;
    while levels < 6 && pages > LINKS << (BITS * levels) {
        levels += 1;
    }
    levels
}

/// Frames that so many pages take at most, with their tables.
pub(super) fn frames_for(pages: u64) -> u64 {
    let mut sum = pages;
    let mut listed = pages;
    while listed > LINKS {
        listed = listed.div_ceil(LINKS);
        sum += listed;
    }
    sum
}

/// What it takes to list a page.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    /// Links that the array has to have room for.
    links: usize,
    tables: usize,
}

/// Room for it, made while the object is not locked.
pub(super) struct Room<M: Machine> {
    links: KVec<AtomicU64>,
    tables: usize,
    spare: Spare<M>,
}

impl<M: Machine> Room<M> {
    pub(super) fn none(machine: &M) -> Room<M> {
        Room {
            links: KVec::new(),
            tables: 0,
            spare: Spare::none(machine),
        }
    }

    #[inline(never)]
    pub(super) fn try_new(machine: &M, needs: Needs) -> Result<Room<M>, Error> {
        Ok(Room {
            links: KVec::try_with_capacity(needs.links)?,
            tables: needs.tables,
            spare: Spare::new(machine, needs.tables).ok_or(Error::NoMemory)?,
        })
    }

    /// A table without links.
    fn table(&mut self, machine: &M) -> Option<Pfn> {
        let table = self.spare.take()?.into_pfn();
        machine.label(table, Use::Kernel);
        machine.clear_tail(table, 0);
        Some(table)
    }
}

pub(super) struct Pages {
    array: KVec<AtomicU64>,
    /// Levels of tables below it.
    levels: u32,
}

impl Pages {
    /// For so many pages at first.
    pub(super) fn new(pages: u64) -> Pages {
        Pages {
            array: KVec::new(),
            levels: levels_for(pages),
        }
    }

    /// The link for a page; or the one above that no table is behind, and how many tables are missing.
    fn look_up<'a, M: Machine>(
        &'a self,
        machine: &'a M,
        index: u64,
    ) -> Option<(&'a AtomicU64, u32)> {
        let place = usize::try_from(index >> (BITS * self.levels)).ok()?;
        let mut link = self.array.get(place)?;
        let mut level = self.levels;
        while level > 0
            && let Some(table) = linked(link)
        {
            level -= 1;
            link = &machine.table(table)[place_in_table(index, level)];
        }
        Some((link, level))
    }

    pub(super) fn get<M: Machine>(&self, machine: &M, index: u64) -> Option<Pfn> {
        match self.look_up(machine, index)? {
            (link, 0) => linked(link),
            _ => None,
        }
    }

    /// What it takes to add a page that is not there.
    #[inline(never)]
    pub(super) fn needs<M: Machine>(&self, machine: &M, index: u64) -> Needs {
        let levels = self.levels.max(levels_for(index.saturating_add(1)));
        let links = (index >> (BITS * levels)) as usize + 1;
        let tables = match self.look_up(machine, index) {
            Some((_, missing)) => missing,
            // What there is moves below tables of its own.
            None if !self.array.is_empty() => 2 * levels - self.levels,
            None => levels,
        };
        let enough = links <= self.array.capacity();
        Needs {
            links: if enough { 0 } else { links.next_power_of_two() },
            tables: tables as usize,
        }
    }

    /// The array that listing so many pages takes, as long as there are no more levels.
    pub(super) fn needs_links(&self, pages: u64) -> Needs {
        let links = pages.div_ceil(1 << (BITS * self.levels)).min(LINKS) as usize;
        let enough = links <= self.array.capacity();
        Needs {
            links: if enough { 0 } else { links },
            tables: 0,
        }
    }

    /// Takes a longer array into use, and tells whether there is all that is needed. The old array is
    /// left in `room`.
    #[inline(never)]
    pub(super) fn accept<M: Machine>(&mut self, room: &mut Room<M>, needs: Needs) -> bool {
        if needs.links > self.array.capacity() && needs.links <= room.links.capacity() {
            for link in self.array.iter() {
                let link = AtomicU64::new(link.load(Ordering::Relaxed));
                let moved = room.links.push_reserved(link);
                debug_assert!(moved.is_ok(), "a longer array is not");
            }
            core::mem::swap(&mut self.array, &mut room.links);
        }
        needs.links <= self.array.capacity() && needs.tables <= room.tables
    }

    /// Adds a page, whose reference passes to the list. There is room for it.
    #[inline(never)]
    pub(super) fn insert<M: Machine>(
        &mut self,
        machine: &M,
        index: u64,
        pfn: Pfn,
        room: &mut Room<M>,
    ) {
        self.raise(machine, levels_for(index.saturating_add(1)), room);
        let place = (index >> (BITS * self.levels)) as usize;
        while self.array.len() <= place && self.array.push_reserved(AtomicU64::new(0)).is_ok() {}
        while let Some((link, level)) = self.look_up(machine, index) {
            if level == 0 {
                return link.store(link_to(pfn), Ordering::Relaxed);
            }
            let Some(table) = room.table(machine) else {
                break;
            };
            link.store(link_to(table), Ordering::Relaxed);
        }
        debug_assert!(false, "no room for page {index}");
        machine.release(pfn);
    }

    /// Makes it so many levels at least.
    fn raise<M: Machine>(&mut self, machine: &M, levels: u32, room: &mut Room<M>) {
        while self.levels < levels {
            if !self.array.is_empty() {
                let Some(table) = room.table(machine) else {
                    return;
                };
                for (to, link) in machine.table(table).iter().zip(self.array.iter()) {
                    to.store(link.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                self.array.truncate(1);
                if let Some(first) = self.array.first() {
                    first.store(link_to(table), Ordering::Relaxed);
                }
            }
            self.levels += 1;
        }
    }

    /// Takes a page out, if it is there; its reference passes to the caller.
    pub(super) fn remove<M: Machine>(&mut self, machine: &M, index: u64) {
        if let Some((link, 0)) = self.look_up(machine, index) {
            link.store(0, Ordering::Relaxed);
        }
    }

    /// Releases the pages from `from` on that `goes` names, in order, and tables that are empty then. How
    /// many pages it were.
    pub(super) fn take_out<M: Machine>(
        &mut self,
        machine: &M,
        from: u64,
        goes: &mut dyn FnMut(Pfn) -> bool,
    ) -> usize {
        let mut count = 0;
        let mut release = |pfn| {
            let goes = goes(pfn);
            if goes {
                // Who has it still has it alone from now on.
                machine.relabel(pfn, Use::Anonymous);
                machine.release(pfn);
                count += 1;
            }
            goes
        };
        if take_out_below(machine, &self.array, self.levels, from, &mut release) {
            self.array.truncate(0);
        }
        count
    }

    /// Gives the array back if it lists nothing.
    pub(super) fn shrink(&mut self) {
        if self.array.is_empty() {
            *self = Pages::new(0);
        }
    }

    pub(super) fn for_each<M: Machine>(&self, machine: &M, mut tell: impl FnMut(Pfn)) {
        for_each_below(machine, &self.array, self.levels, &mut tell);
    }
}

fn place_in_table(index: u64, level: u32) -> usize {
    (index >> (BITS * level)) as usize % LINKS as usize
}

/// As [`Pages::take_out`], for links of which each stands for `level` levels of tables, where `from` is
/// counted from their first page. Tells whether no link is left.
fn take_out_below<M: Machine>(
    machine: &M,
    links: &[AtomicU64],
    level: u32,
    from: u64,
    release: &mut dyn FnMut(Pfn) -> bool,
) -> bool {
    let span = 1 << (BITS * level);
    let mut empty = true;
    for (place, link) in (0..).zip(links) {
        let Some(pfn) = linked(link) else { continue };
        let gone = match level.checked_sub(1) {
            _ if (place + 1) * span <= from => false,
            None => release(pfn),
            Some(below) => {
                let from = from.saturating_sub(place * span);
                let empty = take_out_below(machine, machine.table(pfn), below, from, release);
                if empty {
                    machine.release(pfn);
                }
                empty
            }
        };
        match gone {
            true => link.store(0, Ordering::Relaxed),
            false => empty = false,
        }
    }
    empty
}

fn for_each_below<M: Machine>(
    machine: &M,
    links: &[AtomicU64],
    level: u32,
    tell: &mut impl FnMut(Pfn),
) {
    for pfn in links.iter().filter_map(linked) {
        match level.checked_sub(1) {
            None => tell(pfn),
            Some(below) => for_each_below(machine, machine.table(pfn), below, tell),
        }
    }
}
