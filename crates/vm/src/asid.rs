//! Address space identifiers (ASIDs), and which harts a change of a page table concerns.
//!
//! The hardware tags each translation in a TLB with the ASID of its space, so that a switch of spaces
//! flushes nothing. There are fewer ASIDs than spaces in a day. They are given out in *generations*, as
//! Linux does on arm64: a space gets the next ASID when a hart first enters it; behind the last one the
//! next generation begins with the first.
//!
//! A space is *active* on the harts that run it, any number of them. Its [`Tag`] has a bit for each hart
//! that is active, one for each that may have translations under the ASID, and one for each whose
//! translations are stale. Four rules keep a hart from using a stale one:
//!
//! - *One ASID, one space.* Within a generation an ASID is given out once.
//! - *One generation on a hart.* A hart flushes everything before it uses an ASID of another generation
//!   ([`Flush::All`]), and then none of an older one: a space that has one gets a new one. Harts that run
//!   the space meanwhile go on with the old one until they enter it again.
//! - *A change reaches the harts that are active.* Whoever changes the table flushes those at once
//!   ([`Tag::shoot_down`]). They may have different ASIDs for the space, so that is a flush for all ASIDs.
//! - *A change waits for the other harts.* They are marked, and flush the space when they next enter it
//!   ([`Flush::Space`]). Until then they cannot use what they have.
//!
//! A change may come while a hart enters. The hart first sets its active bit and then looks whether it is
//! marked; who changes stores to the table first and then looks which harts are active. Sequentially
//! consistent fences in between make at least one of them see the other: the hart is marked, or told, or
//! walks the new table.
//!
//! Without ASIDs every switch flushes everything.

#[cfg(test)]
mod interleaved;

#[cfg(not(test))]
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};
#[cfg(test)]
use shuttle::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};

use crate::Flush;

/// Bits of an ASID, as wide as the widest hardware's.
const ASID_BITS: u32 = 16;
/// The number of harts that [`Tag`] has room for, and so the bits of a set of harts.
const MOST_HARTS: u32 = 16;
const HARTS: u64 = (1 << MOST_HARTS) - 1;
/// Where in [`Tag::harts`] the harts begin whose translations are stale, and the active ones.
const STALE: u32 = MOST_HARTS;
const ACTIVE: u32 = 2 * MOST_HARTS;

/// How a hart enters a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The ASID to run with; 0 where there are none.
    pub asid: u16,
    /// What to flush before anything of the space is accessed: before the ASID is taken into use; or, if
    /// the hart uses it already, after the root table has been.
    pub flush: Flush,
}

/// Harts that a change concerns at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concerned {
    /// The one that made it.
    pub here: bool,
    /// A bit for each of the others.
    pub others: u16,
}

/// The ASID of one space, and where it is in use.
pub struct Tag {
    /// Generation and ASID; 0 before the first.
    id: AtomicU64,
    /// Three sets: harts that may have translations of the space; of these, those that are stale; and those
    /// that are active.
    harts: AtomicU64,
}

impl Default for Tag {
    fn default() -> Tag {
        Tag::new()
    }
}

impl Tag {
    /// That of a space which no hart has run.
    pub const fn new() -> Tag {
        Tag {
            id: AtomicU64::new(0),
            harts: AtomicU64::new(0),
        }
    }

    /// The page table has changed: marks the harts that flush when they next enter the space, and tells
    /// which must flush now. The caller, on hart `here`, stays there until they have.
    #[inline]
    pub fn shoot_down(&self, here: usize) -> Concerned {
        // The change, before the look at who is active.
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
            return Concerned {
                here: active & here != 0,
                others: (active & !here) as u16,
            };
        }
    }

    /// `hart` is about to use translations of the space; true if those that it has are stale.
    #[inline]
    fn enter(&self, hart: usize) -> bool {
        let (bit, stale) = (1 << hart, 1 << hart << STALE);
        let old = self.harts.fetch_or(bit | bit << ACTIVE, Ordering::AcqRel);
        // The active bit, before any look at the table.
        fence(Ordering::SeqCst);
        // From now on the hart is told, and not marked any more.
        if old & stale != 0 {
            self.harts.fetch_and(!stale, Ordering::AcqRel);
        }
        old & stale != 0
    }

    /// `hart`, which is the caller, has taken another root table into use.
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
    /// ASIDs given out so far, in all generations.
    given: AtomicU64,
    /// The generation whose ASIDs each hart uses. Only the hart itself looks.
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

    /// Takes the ASIDs from 1 to `last`, which the hardware of every hart has, into use. To be called
    /// before any space is entered.
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

    /// `hart`, which is the caller, enters the space of this tag, or runs it already. It cannot be
    /// interrupted until it has done what the answer says; then it leaves the space before
    /// ([`Tag::leave`]).
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
        // Never backwards: a new ASID is one of the newest generation.
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

    /// An ASID that was not given out before in its generation, with the generation. The first is 1.
    #[cold]
    fn next(&self, last: u16) -> u64 {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let last = u64::from(last);
        (given / last + 1) << ASID_BITS | (given % last + 1)
    }
}
