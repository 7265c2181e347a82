//! Address space identifiers (ASIDs), and the harts that a TLB shootdown has to reach.
//!
//! The hardware tags each TLB entry with the ASID of its space, so that a switch flushes nothing. There are
//! fewer ASIDs than spaces, so they are assigned in *generations*, as in Linux on arm64: a space gets the next
//! ASID when a hart first enters it; after the last one a new generation starts with the first.
//!
//! A space is *active* on the harts that run it. Its [`Tag`] has three bits for each hart: active, may have
//! translations under the ASID, and has stale ones. Four rules prevent the use of a stale translation:
//!
//! - *One ASID, one space.* Within a generation an ASID is assigned once.
//! - *One generation on a hart.* A hart flushes everything before it uses an ASID of another generation
//!   ([`Flush::All`]), and then uses none of an older one: a space with an older one gets a new one. Other
//!   harts that run the space keep the old one until they enter it again.
//! - *Active harts are flushed at once.* Whoever changes the table flushes them ([`Tag::shoot_down`]), for all
//!   ASIDs, since they may have different ones for the space.
//! - *Other harts are flushed lazily.* They are marked stale, and flush the space when they next enter it
//!   ([`Flush::Space`]). Until then they do not use its translations.
//!
//! A change can race with a hart that enters. The hart sets its active bit, then checks its stale bit; the
//! changer stores to the table, then reads the active bits. A sequentially consistent fence on each side
//! ensures that at least one sees the other: the hart is marked stale, or gets the shootdown, or walks the new
//! table.
//!
//! Without ASIDs every switch flushes everything.

#[cfg(test)]
mod interleaved;

#[cfg(not(test))]
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};
#[cfg(test)]
use shuttle::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};

use crate::Flush;

/// Bits of an ASID, the most that hardware has.
const ASID_BITS: u32 = 16;
/// The most harts that a [`Tag`] has bits for.
const MOST_HARTS: u32 = 16;
const HARTS: u64 = (1 << MOST_HARTS) - 1;
/// Shifts in [`Tag::harts`] of the stale and of the active harts.
const STALE: u32 = MOST_HARTS;
const ACTIVE: u32 = 2 * MOST_HARTS;

/// How a hart enters a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The ASID to run with; 0 where there are none.
    pub asid: u16,
    /// What to flush before the space is accessed: before a new ASID is loaded, or after the root table if the
    /// ASID is loaded already.
    pub flush: Flush,
}

/// The harts that a shootdown flushes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// This hart.
    pub here: bool,
    /// A bit for each of the others.
    pub others: u16,
}

/// The ASID of a space, and the harts that use it.
pub struct Tag {
    /// Generation and ASID; 0 before the first.
    id: AtomicU64,
    /// Three sets of harts: those that may have translations of the space; of these, the stale ones; the active
    /// ones.
    harts: AtomicU64,
}

impl Default for Tag {
    fn default() -> Tag {
        Tag::new()
    }
}

impl Tag {
    /// The tag of a space that no hart has run.
    pub const fn new() -> Tag {
        Tag {
            id: AtomicU64::new(0),
            harts: AtomicU64::new(0),
        }
    }

    /// After a change of the page table: marks the inactive harts stale, and returns those that must flush now.
    /// The caller runs on hart `here` and stays there until they have.
    #[inline]
    pub fn shoot_down(&self, here: usize) -> Targets {
        // Orders the change before the load of the active harts.
        fence(Ordering::SeqCst);
        let mut harts = self.harts.load(Ordering::Relaxed);
        loop {
            let active = harts >> ACTIVE & HARTS;
            let marked = harts | (harts & HARTS & !active) << STALE;
            if marked != harts {
                let (ok, err) = (Ordering::AcqRel, Ordering::Relaxed);
                if let Err(now) = self.harts.compare_exchange_weak(harts, marked, ok, err) {
                    harts = now;
                    continue;
                }
            }
            let here = 1 << here;
            return Targets {
                here: active & here != 0,
                others: (active & !here) as u16,
            };
        }
    }

    /// `hart` is about to use translations of the space; returns whether it has stale ones.
    #[inline]
    fn enter(&self, hart: usize) -> bool {
        let (bit, stale) = (1 << hart, 1 << hart << STALE);
        let old = self.harts.fetch_or(bit | bit << ACTIVE, Ordering::AcqRel);
        // Orders the active bit before any walk of the table.
        fence(Ordering::SeqCst);
        // From now on the hart gets shootdowns and is not marked.
        if old & stale != 0 {
            self.harts.fetch_and(!stale, Ordering::AcqRel);
        }
        old & stale != 0
    }

    /// `hart`, the caller, has loaded another root table.
    #[inline]
    pub fn leave(&self, hart: usize) {
        self.harts
            .fetch_and(!(1 << hart << ACTIVE), Ordering::AcqRel);
    }

    /// Whether any hart runs the space.
    pub fn is_active(&self) -> bool {
        self.harts.load(Ordering::Acquire) >> ACTIVE & HARTS != 0
    }
}

/// The ASIDs of a machine with at most `HARTS` harts.
pub struct Asids<const HARTS: usize> {
    /// The highest ASID; 0 without any. The lowest is 1.
    last: AtomicU16,
    /// ASIDs assigned so far, in all generations.
    given: AtomicU64,
    /// The generation of each hart; only the hart itself accesses it.
    generation: [AtomicU64; HARTS],
}

impl<const HARTS: usize> Default for Asids<HARTS> {
    fn default() -> Self {
        Asids::new()
    }
}

impl<const HARTS: usize> Asids<HARTS> {
    /// None: every switch flushes everything until [`Asids::set_up`].
    pub const fn new() -> Self {
        const { assert!(HARTS <= MOST_HARTS as usize) };
        Asids {
            last: AtomicU16::new(0),
            given: AtomicU64::new(0),
            generation: [const { AtomicU64::new(0) }; HARTS],
        }
    }

    /// Uses the ASIDs from 1 to `last`, which every hart has. Called before any space is entered.
    pub fn set_up(&self, last: u16) {
        self.last.store(last, Ordering::Relaxed);
    }

    /// The highest ASID in use; 0 without any.
    pub fn last(&self) -> u16 {
        self.last.load(Ordering::Relaxed)
    }

    /// ASIDs given out so far, in all generations.
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// `hart`, the caller, enters the space of this tag, or runs it already. Interrupts are off until it has
    /// done what the result says and has left the previous space ([`Tag::leave`]).
    #[inline]
    pub fn enter(&self, hart: usize, tag: &Tag) -> Entrance {
        let stale = tag.enter(hart);
        let last = self.last();
        let Some(generation) = self.generation.get(hart).filter(|_| last > 0) else {
            return Entrance {
                asid: 0,
                flush: Flush::All,
            };
        };
        let here = generation.load(Ordering::Relaxed);
        let mut id = tag.id.load(Ordering::Relaxed);
        // Generations only increase: a new ASID is of the newest.
        while id == 0 || id >> ASID_BITS < here {
            let (new, order) = (self.next(last), Ordering::Relaxed);
            id = match tag.id.compare_exchange(id, new, order, order) {
                Ok(_) => new,
                Err(others) => others,
            };
        }
        let flush = if id >> ASID_BITS != here {
            generation.store(id >> ASID_BITS, Ordering::Relaxed);
            Flush::All
        } else if stale {
            Flush::Space
        } else {
            Flush::Nothing
        };
        Entrance {
            asid: id as u16,
            flush,
        }
    }

    /// Assigns the next ASID, with its generation. The first is 1.
    #[cold]
    fn next(&self, last: u16) -> u64 {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let last = u64::from(last);
        (given / last + 1) << ASID_BITS | (given % last + 1)
    }
}
