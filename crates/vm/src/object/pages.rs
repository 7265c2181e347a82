//! The frames of an object by page number, as a radix tree: an array of links in the kernel heap, at most as
//! long as a table, and below it, for larger objects, tables of 512 links, one frame each.

use crate::machine::Prealloc;
use crate::{Error, Machine};
use abi::Use;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::KVec;
use frames::Pfn;

/// Bits of a page number that index a table.
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

/// Levels of tables below the array for so many pages.
fn levels_for(pages: u64) -> u32 {
    let mut levels = 0;
    while levels < 6 && pages > LINKS << (BITS * levels) {
        levels += 1;
    }
    levels
}

/// Frames for so many pages at most, with their tables.
pub(super) fn frames_for(pages: u64) -> u64 {
    let mut sum = pages;
    let mut listed = pages;
    while listed > LINKS {
        listed = listed.div_ceil(LINKS);
        sum += listed;
    }
    sum
}

/// What inserting a page needs.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    /// Capacity of the array.
    links: usize,
    tables: usize,
}

/// Memory for an insertion, allocated while the object is not locked, as Linux's `radix_tree_preload`.
pub(super) struct Preload<M: Machine> {
    links: KVec<AtomicU64>,
    tables: usize,
    prealloc: Prealloc<M>,
}

impl<M: Machine> Preload<M> {
    pub(super) fn none(machine: &M) -> Preload<M> {
        Preload {
            links: KVec::new(),
            tables: 0,
            prealloc: Prealloc::none(machine),
        }
    }

    #[inline(never)]
    pub(super) fn try_new(machine: &M, needs: Needs) -> Result<Preload<M>, Error> {
        Ok(Preload {
            links: KVec::try_with_capacity(needs.links)?,
            tables: needs.tables,
            prealloc: Prealloc::new(machine, needs.tables).ok_or(Error::NoMemory)?,
        })
    }

    /// An empty table.
    fn table(&mut self, machine: &M) -> Option<Pfn> {
        let table = self.prealloc.pop()?.into_pfn();
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
    /// An empty tree for so many pages at first.
    pub(super) fn new(pages: u64) -> Pages {
        Pages {
            array: KVec::new(),
            levels: levels_for(pages),
        }
    }

    /// The link for a page; or the one where the walk ends, and how many tables are missing below it.
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

    /// What inserting a missing page needs.
    #[inline(never)]
    pub(super) fn needs<M: Machine>(&self, machine: &M, index: u64) -> Needs {
        let levels = self.levels.max(levels_for(index.saturating_add(1)));
        let links = (index >> (BITS * levels)) as usize + 1;
        let tables = match self.look_up(machine, index) {
            Some((_, missing)) => missing,
            // The present array moves below tables of its own.
            None if !self.array.is_empty() => 2 * levels - self.levels,
            None => levels,
        };
        let enough = links <= self.array.capacity();
        Needs {
            links: if enough { 0 } else { links.next_power_of_two() },
            tables: tables as usize,
        }
    }

    /// The array for so many pages, with the present levels.
    pub(super) fn needs_links(&self, pages: u64) -> Needs {
        let links = pages.div_ceil(1 << (BITS * self.levels)).min(LINKS) as usize;
        let enough = links <= self.array.capacity();
        Needs {
            links: if enough { 0 } else { links },
            tables: 0,
        }
    }

    /// Replaces the array with the preloaded one if that is needed; returns whether the needs are met. The old
    /// array is left in `preload`.
    #[inline(never)]
    pub(super) fn accept<M: Machine>(&mut self, preload: &mut Preload<M>, needs: Needs) -> bool {
        if needs.links > self.array.capacity() && needs.links <= preload.links.capacity() {
            for link in self.array.iter() {
                let link = AtomicU64::new(link.load(Ordering::Relaxed));
                let moved = preload.links.push_reserved(link);
                debug_assert!(moved.is_ok(), "a longer array is not");
            }
            core::mem::swap(&mut self.array, &mut preload.links);
        }
        needs.links <= self.array.capacity() && needs.tables <= preload.tables
    }

    /// Inserts a page, and takes over its reference. The memory is preloaded.
    #[inline(never)]
    pub(super) fn insert<M: Machine>(
        &mut self,
        machine: &M,
        index: u64,
        pfn: Pfn,
        preload: &mut Preload<M>,
    ) {
        self.extend(machine, levels_for(index.saturating_add(1)), preload);
        let place = (index >> (BITS * self.levels)) as usize;
        while self.array.len() <= place && self.array.push_reserved(AtomicU64::new(0)).is_ok() {}
        while let Some((link, level)) = self.look_up(machine, index) {
            if level == 0 {
                return link.store(link_to(pfn), Ordering::Relaxed);
            }
            let Some(table) = preload.table(machine) else {
                break;
            };
            link.store(link_to(table), Ordering::Relaxed);
        }
        debug_assert!(false, "no preload for page {index}");
        machine.release(pfn);
    }

    /// Adds levels, up to `levels`.
    fn extend<M: Machine>(&mut self, machine: &M, levels: u32, preload: &mut Preload<M>) {
        while self.levels < levels {
            if !self.array.is_empty() {
                let Some(table) = preload.table(machine) else {
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

    /// Removes a page, if present; its reference passes to the caller.
    pub(super) fn remove<M: Machine>(&mut self, machine: &M, index: u64) {
        if let Some((link, 0)) = self.look_up(machine, index) {
            link.store(0, Ordering::Relaxed);
        }
    }

    /// Removes and releases the pages from `from` on that `goes` selects, in order, and tables that become
    /// empty. Returns the number of pages.
    pub(super) fn remove_pages<M: Machine>(
        &mut self,
        machine: &M,
        from: u64,
        goes: &mut dyn FnMut(Pfn) -> bool,
    ) -> usize {
        let mut count = 0;
        let mut release = |pfn| {
            let goes = goes(pfn);
            if goes {
                // It is private to its remaining users.
                machine.relabel(pfn, Use::Anonymous);
                machine.release(pfn);
                count += 1;
            }
            goes
        };
        if remove_below(machine, &self.array, self.levels, from, &mut release) {
            self.array.truncate(0);
        }
        count
    }

    /// Frees the array if it is empty.
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

/// As [`Pages::remove_pages`], for the links of one table, with `level` levels of tables below; `from` counts
/// from their first page. Returns whether the table is empty.
fn remove_below<M: Machine>(
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
                let empty = remove_below(machine, machine.table(pfn), below, from, release);
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
