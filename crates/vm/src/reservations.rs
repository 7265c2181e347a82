//! Reservations: blocks for 2 MiB of memory that may become a large page without a copy. When a process touches
//! the first page of 2 MiB, a free block is reserved, and each page touched there gets the frame at its offset
//! in the block. With the last one the pages are promoted to a large page. (Navarro, Iyer, Druschel and Cox:
//! "Practical, transparent operating system support for superpages", OSDI 2002; FreeBSD's `vm_reserv`.)
//!
//! A reservation belongs to an address space. Each frame is claimed once, by one atomic operation: by the fault
//! that touches the page, or by reclaim. So a fault takes no lock. The machine has a list of all reservations,
//! locked when one is made or broken and for reclaim, which takes all unclaimed frames. If the list is full, a
//! new reservation replaces the oldest. Unclaimed frames count as free memory.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::KArc;
use frames::Pfn;
use paging::{PAGE, SUPERPAGE};

/// Reservations on the machine, at most.
pub const RESERVATIONS: usize = 8;
/// Words of the claimed bitmap, one bit per page.
const WORDS: usize = (SUPERPAGE / PAGE / 64) as usize;

/// A block reserved for 2 MiB of an address space.
pub struct Reservation {
    start: u64,
    block: Pfn,
    /// Bitmap of claimed frames.
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

    /// Claims the frame for `addr`; `None` if it was claimed before.
    pub(crate) fn claim(&self, addr: u64) -> Option<Pfn> {
        let place = addr % SUPERPAGE / PAGE;
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        let before = self.claimed.get(word)?.fetch_or(bit, Ordering::AcqRel);
        (before & bit == 0).then(|| self.block.plus(place as u32))
    }

    /// Whether every frame was claimed, by faults or reclaim.
    pub(crate) fn is_fully_claimed(&self) -> bool {
        let mut words = self.claimed.iter();
        words.all(|word| word.load(Ordering::Acquire) == u64::MAX)
    }

    /// Unclaimed frames.
    fn unclaimed(&self) -> usize {
        let words = self.claimed.iter();
        let unclaimed = words.map(|word| word.load(Ordering::Relaxed).count_zeros());
        unclaimed.sum::<u32>() as usize
    }

    /// Claims and releases all unclaimed frames; returns how many.
    pub(crate) fn reclaim(&self, mut release: impl FnMut(Pfn)) -> usize {
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

/// A list of reservations, oldest first: those of a space, and those of a machine
/// ([`Machine::reservations`](crate::Machine::reservations)).
#[derive(Default)]
pub struct Reservations([Option<KArc<Reservation>>; RESERVATIONS]);

impl Reservations {
    /// None.
    pub const fn new() -> Reservations {
        Reservations([const { None }; RESERVATIONS])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KArc<Reservation>> {
        // Used entries come first.
        self.0.iter().map_while(Option::as_ref)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds a reservation; if the list is full, removes and returns the oldest.
    pub(crate) fn add(&mut self, new: KArc<Reservation>) -> Option<KArc<Reservation>> {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => place.replace(new),
            None => {
                self.0.rotate_left(1);
                self.0.last_mut()?.replace(new)
            }
        }
    }

    /// Removes the first one that matches.
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

    /// Claims and releases all unclaimed frames; returns how many.
    pub fn reclaim(&self, mut release: impl FnMut(Pfn)) -> usize {
        self.iter().map(|one| one.reclaim(&mut release)).sum()
    }

    /// Unclaimed frames.
    pub fn frames(&self) -> usize {
        self.iter().map(|one| one.unclaimed()).sum()
    }
}
