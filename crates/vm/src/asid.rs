//! Tags for translations, so that a switch of address spaces forgets nothing.
//!
//! The hardware marks each translation that it remembers with the number (on RISC-V: ASID) of the
//! space it is from. Numbers are fewer than the spaces that a machine sees in a day, so they are
//! given out in *generations*, as Linux does on arm64: a space gets the next number when a hart first
//! switches to it; behind the last one the next generation begins with the first.
//!
//! A space runs on one hart at a time, and nobody but itself changes its table. With that, all there
//! is to know is what each hart may remember, and three rules keep it true:
//!
//! - *One number, one space.* Within a generation a number is given out once.
//! - *One generation on a hart.* A hart forgets everything before it goes over to another generation
//!   ([`Forget::All`]), and uses none of an older one afterwards: a space that comes with such a
//!   number gets a new one. Other harts may stay behind as long as they like; what they remember is
//!   theirs alone.
//! - *No translation from before a change.* The hart on which a space changes its table flushes. Other
//!   harts that may remember something of the space are merely marked ([`Tag::changed`]): such a hart
//!   forgets the space when it next switches to it ([`Forget::Space`]), and until then it cannot use
//!   what it remembers. That is why nothing is ever sent to another hart.
//!
//! Without numbers every switch forgets everything.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Bits of a number, as wide as the widest hardware's.
const NUMBER_BITS: u32 = 16;
/// The number of harts that [`Tag`] has room for.
const MOST_HARTS: usize = 16;

/// What a hart must forget when it has taken the root table of the space into use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// Nothing: what it remembers is true.
    Nothing,
    /// What it remembers under the space's number.
    Space,
    /// Everything.
    All,
}

/// How a hart enters a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The number to run with; 0 where there are no numbers.
    pub number: u16,
    /// What to forget before anything of the space is touched: before the number is taken into use;
    /// or, if the hart uses it already, after the root table has been.
    pub forget: Forget,
}

/// What is known of the translations of one space. Only the hart that runs the space, or is about
/// to, touches it.
pub struct Tag {
    /// Generation and number; 0 before the first.
    id: AtomicU64,
    /// A bit for each hart that may remember translations under this number, and, 16 bits higher, for
    /// each of those that has not heard of all changes.
    harts: AtomicU32,
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
            harts: AtomicU32::new(0),
        }
    }

    /// True while no hart has entered the space.
    pub fn is_new(&self) -> bool {
        self.id.load(Ordering::Relaxed) == 0
    }

    /// Another space takes the place of the one that this was for.
    pub fn reset(&self) {
        self.id.store(0, Ordering::Relaxed);
        self.harts.store(0, Ordering::Relaxed);
    }

    /// Entries of the space's table have lost rights or changed frames, `hart` runs the space and
    /// forgets them itself. To be called once that is so, or in the same breath.
    pub fn changed(&self, hart: usize) {
        let harts = self.harts.load(Ordering::Relaxed);
        let others = harts & 0xffff & !(1 << hart);
        self.harts.store(harts | others << 16, Ordering::Relaxed);
    }

    /// `hart` enters the space under the number it has; true if the hart remembers what is no
    /// longer true.
    fn enter(&self, hart: usize) -> bool {
        let harts = self.harts.load(Ordering::Relaxed);
        let stale = harts >> 16 & 1 << hart != 0;
        let entered = (harts | 1 << hart) & !(1 << 16 << hart);
        self.harts.store(entered, Ordering::Relaxed);
        stale
    }

    fn set(&self, id: u64, hart: usize) {
        self.id.store(id, Ordering::Relaxed);
        self.harts.store(1 << hart, Ordering::Relaxed);
    }
}

/// The numbers of a machine with at most `HARTS` harts.
pub struct Asids<const HARTS: usize> {
    /// The highest number; 0 without any. The lowest is 1.
    last: AtomicU16,
    /// Numbers given out so far, in all generations.
    given: AtomicU64,
    /// The generation whose numbers each hart uses. Only the hart itself looks.
    generation: [AtomicU64; HARTS],
}

impl<const HARTS: usize> Default for Asids<HARTS> {
    fn default() -> Self {
        Asids::new()
    }
}

impl<const HARTS: usize> Asids<HARTS> {
    /// None: every switch forgets everything until [`Asids::set_up`].
    pub const fn new() -> Self {
        const { assert!(HARTS <= MOST_HARTS) };
        Asids {
            last: AtomicU16::new(0),
            given: AtomicU64::new(0),
            generation: [const { AtomicU64::new(0) }; HARTS],
        }
    }

    /// Takes the numbers from 1 to `last`, which the hardware of every hart has, into use. To be
    /// called before any space is entered.
    pub fn set_up(&self, last: u16) {
        self.last.store(last, Ordering::Relaxed);
    }

    /// The highest number in use; 0 without any.
    pub fn last(&self) -> u16 {
        self.last.load(Ordering::Relaxed)
    }

    /// Numbers given out so far, in all generations.
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// `hart`, which is the caller, enters the space of this tag. It cannot be interrupted until it
    /// has done what the answer says.
    pub fn enter(&self, hart: usize, tag: &Tag) -> Entrance {
        let last = self.last();
        let Some(generation) = self.generation.get(hart).filter(|_| last > 0) else {
            return Entrance {
                number: 0,
                forget: Forget::All,
            };
        };
        let here = generation.load(Ordering::Relaxed);
        let mut id = tag.id.load(Ordering::Relaxed);
        let mut stale = false;
        if id == 0 || id >> NUMBER_BITS < here {
            id = self.next(last);
            tag.set(id, hart);
        } else {
            stale = tag.enter(hart);
        }
        // Never backwards: who is given a number now is given one of the newest generation.
        let forget = if id >> NUMBER_BITS != here {
            generation.store(id >> NUMBER_BITS, Ordering::Relaxed);
            Forget::All
        } else if stale {
            Forget::Space
        } else {
            Forget::Nothing
        };
        Entrance {
            number: id as u16,
            forget,
        }
    }

    /// A number that was not given out before in its generation, with the generation. The first is 1.
    fn next(&self, last: u16) -> u64 {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let last = u64::from(last);
        (given / last + 1) << NUMBER_BITS | (given % last + 1)
    }
}
