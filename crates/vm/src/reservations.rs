//! Reservations: frames for 2 MiB of memory that may become a large page without a copy. Where a process
//! begins to fill 2 MiB from their start, a free block is reserved, and each page touched there gets the
//! frame at its own place in the block. When the last one is touched, the frames are a block and the pages
//! a large page. (The idea is Navarro, Iyer, Druschel and Cox's: "Practical, transparent operating system
//! support for superpages", OSDI 2002.)
//!
//! A reservation belongs to the address space. Each of its frames is claimed once, with one atomic
//! instruction: by the fault that touches the page, or by whoever takes the unused ones back. So a fault
//! takes no lock for it. The machine has a list of all reservations, locked when one is opened or closed and
//! when memory is short: then all unused frames go back. The oldest reservation also gives way when another
//! is opened and the list is full. So what is reserved counts as free memory.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::KArc;
use frames::Pfn;
use paging::{PAGE, SUPERPAGE};

/// Reservations at a time, on the whole machine.
pub const RESERVATIONS: usize = 8;
/// Words of one bit a page.
const WORDS: usize = (SUPERPAGE / PAGE / 64) as usize;

/// A block reserved for 2 MiB of a space.
pub struct Reservation {
    start: u64,
    block: Pfn,
    /// A bit for each frame that was claimed.
    claimed: [AtomicU64; WORDS],
}

impl Reservation {
    pub(crate) fn new(start: u64, block: Pfn) -> Reservation {
        Reservation {
            start,
            block,
            claimed: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn is_in(&self, range: &Range<u64>) -> bool {
        self.start < range.end && range.start < self.start + SUPERPAGE
    }

    /// Claims the frame at the place of `addr`, unless that was done before.
    pub(crate) fn claim(&self, addr: u64) -> Option<Pfn> {
        let place = addr % SUPERPAGE / PAGE;
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        let before = self.claimed.get(word)?.fetch_or(bit, Ordering::AcqRel);
        (before & bit == 0).then(|| self.block.plus(place as u32))
    }

    /// Whether every frame was claimed, by whomever.
    pub(crate) fn is_used_up(&self) -> bool {
        let mut words = self.claimed.iter();
        words.all(|word| word.load(Ordering::Acquire) == u64::MAX)
    }

    /// Frames that were not claimed.
    fn unclaimed(&self) -> usize {
        let words = self.claimed.iter();
        let unclaimed = words.map(|word| word.load(Ordering::Relaxed).count_zeros());
        unclaimed.sum::<u32>() as usize
    }

    /// Claims what is left, to be released; how many frames.
    pub(crate) fn give_back(&self, mut release: impl FnMut(Pfn)) -> usize {
        let mut count = 0;
        for (first, word) in (0..).step_by(64).zip(&self.claimed) {
            let mut rest = !word.swap(u64::MAX, Ordering::AcqRel);
            while rest != 0 {
                release(self.block.plus(first + rest.trailing_zeros()));
                rest &= rest - 1;
                count += 1;
            }
        }
        count
    }
}

/// A list of reservations, the oldest first: those of a space, and those of a machine
/// ([`Machine::reservations`](crate::Machine::reservations)).
#[derive(Default)]
pub struct Reservations([Option<KArc<Reservation>>; RESERVATIONS]);

impl Reservations {
    /// None.
    pub const fn new() -> Reservations {
        Reservations([const { None }; RESERVATIONS])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KArc<Reservation>> {
        // Those that there are come first.
        self.0.iter().map_while(Option::as_ref)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds one, and takes the oldest out if there is no room.
    pub(crate) fn add(&mut self, new: KArc<Reservation>) -> Option<KArc<Reservation>> {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => place.replace(new),
            None => {
                self.0.rotate_left(1);
                self.0.last_mut()?.replace(new)
            }
        }
    }

    /// Takes the first one out that is such.
    pub(crate) fn remove(
        &mut self,
        is_such: impl Fn(&KArc<Reservation>) -> bool,
    ) -> Option<KArc<Reservation>> {
        let at = self.iter().position(is_such)?;
        let rest = self.0.get_mut(at..)?;
        let removed = rest.first_mut()?.take();
        rest.rotate_left(1);
        removed
    }

    /// Takes all frames that are reserved and not used, to be released; how many.
    pub fn give_back(&self, mut release: impl FnMut(Pfn)) -> usize {
        self.iter().map(|one| one.give_back(&mut release)).sum()
    }

    /// Frames that are reserved and not used.
    pub fn frames(&self) -> usize {
        self.iter().map(|one| one.unclaimed()).sum()
    }
}
