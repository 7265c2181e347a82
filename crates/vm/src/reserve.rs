//! Frames set aside so that small pages can become a large one without a copy: where a process
//! begins to fill 2 MiB from their start, a free block is put aside, and each page touched there gets
//! the frame at its own place in the block. When the last one is touched, the frames are a block and
//! the pages a large page. (The idea is Navarro, Iyer, Druschel and Cox's: "Practical, transparent
//! operating system support for superpages", OSDI 2002.)
//!
//! What is set aside and not touched is nobody's: the oldest set goes when another one is opened and
//! there is no room, and all go as soon as memory is asked back. So they count as free memory.

use crate::machine::{Machine, Placed};
use abi::Use;
use core::ops::Range;
use frames::Pfn;
use paging::{PAGE, SUPERPAGE};

/// Sets at a time, on the whole machine.
pub const SETS: usize = 8;
/// Words of one bit a page.
const WORDS: usize = (SUPERPAGE / PAGE / 64) as usize;

/// A block set aside for 2 MiB of a space.
struct Set {
    /// Root of the space's table.
    space: Pfn,
    start: u64,
    block: Pfn,
    /// A bit for each frame that was given out.
    given: [u64; WORDS],
    /// How many were opened before.
    before: u64,
}

impl Set {
    fn is_for(&self, space: Pfn, addr: u64) -> bool {
        self.space == space && self.start == addr - addr % SUPERPAGE
    }

    /// Gives out the frame at the place of `addr`, if it was not given out before.
    fn give(&mut self, addr: u64) -> Option<Pfn> {
        let place = addr % SUPERPAGE / PAGE;
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        let given = self
            .given
            .get_mut(word)
            .filter(|given| **given & bit == 0)?;
        *given |= bit;
        Some(self.block.plus(place as u32))
    }

    /// Frames that were not given out.
    fn rest(&self) -> usize {
        let rest = self.given.iter().map(|given| given.count_zeros());
        rest.sum::<u32>() as usize
    }
}

/// The blocks set aside on one machine, for [`Machine::alloc_placed`]. It has no lock.
pub struct Reserve {
    sets: [Option<Set>; SETS],
    /// Sets opened so far.
    opened: u64,
}

impl Reserve {
    /// Nothing set aside.
    pub const fn new() -> Reserve {
        Reserve {
            sets: [const { None }; SETS],
            opened: 0,
        }
    }

    /// The frame for the page at `addr` of the space with this root: from the set for these 2 MiB or,
    /// for their first page, from a new one.
    #[inline(never)]
    pub fn take<M: Machine>(&mut self, machine: &M, space: Pfn, addr: u64) -> Option<Placed> {
        let found = |set: &Option<Set>| set.as_ref().is_some_and(|set| set.is_for(space, addr));
        let at = match self.sets.iter().position(found) {
            Some(at) => at,
            None if addr.is_multiple_of(SUPERPAGE) => self.open(machine, space, addr)?,
            None => return None,
        };
        let place = self.sets.get_mut(at)?;
        let set = place.as_mut()?;
        let pfn = set.give(addr)?;
        machine.label(pfn, Use::Anonymous);
        let complete = set.rest() == 0;
        if complete {
            *place = None;
        }
        Some(Placed { pfn, complete })
    }

    /// Sets a block aside, instead of the oldest when there are many; where it is.
    #[inline(never)]
    fn open<M: Machine>(&mut self, machine: &M, space: Pfn, start: u64) -> Option<usize> {
        let block = machine.alloc_large()?;
        machine.label(block, Use::Aside);
        machine.part_large(block);
        // A vacant place comes before all others, for `None` is less than any number.
        let before = |at: &usize| self.sets.get(*at)?.as_ref().map(|set| set.before);
        let at = (0..SETS).min_by_key(before)?;
        let new = Set {
            space,
            start,
            block,
            given: [0; WORDS],
            before: self.opened,
        };
        self.opened += 1;
        if let Some(old) = self.sets.get_mut(at)?.replace(new) {
            give_back(machine, old);
        }
        Some(at)
    }

    /// Gives back what was set aside for 2 MiB that lie in `range` in part or as a whole.
    pub fn close<M: Machine>(&mut self, machine: &M, space: Pfn, range: &Range<u64>) {
        let concerned = |set: &mut Set| {
            set.space == space && set.start < range.end && range.start < set.start + SUPERPAGE
        };
        for set in self
            .sets
            .iter_mut()
            .filter_map(|set| set.take_if(concerned))
        {
            give_back(machine, set);
        }
    }

    /// Gives back all that was set aside; how many frames.
    pub fn give_back<M: Machine>(&mut self, machine: &M) -> usize {
        let sets = self.sets.iter_mut().filter_map(Option::take);
        sets.map(|set| give_back(machine, set)).sum()
    }

    /// Frames that are set aside at the moment.
    pub fn frames(&self) -> usize {
        self.sets.iter().flatten().map(Set::rest).sum()
    }
}

impl Default for Reserve {
    fn default() -> Reserve {
        Reserve::new()
    }
}

/// Releases the frames of a set that were not given out; how many.
#[inline(never)]
fn give_back<M: Machine>(machine: &M, mut set: Set) -> usize {
    let pages = (0..SUPERPAGE).step_by(PAGE as usize);
    let rest = pages.filter_map(|page| set.give(page));
    rest.map(|pfn| machine.release(pfn)).count()
}
