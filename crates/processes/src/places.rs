//! Where the table's entries lie.
//!
//! They lie in pieces of a page, which come and go with their entries: the table never needs pages in a
//! row, and is no larger after many processes than before.

use crate::Identity;
use abi::PAGE_SIZE;
use core::ops::Deref;
use fallible::{AllocError, KArc, KBox};

/// Most processes at once: xv6's tests count on fork failing before 1000.
pub const MOST: usize = 999;

/// An entry's number. It stays as long as the entry.
pub type Place = u16;

/// A process in the table. Relatives are linked by their places.
pub struct Entry<P> {
    pub process: KArc<P>,
    pub parent: Option<Place>,
    pub first_child: Option<Place>,
    pub previous: Option<Place>,
    pub next: Option<Place>,
    /// The next entry whose number has the same hash.
    next_hashed: Option<Place>,
    /// Children that have ended and wait to be reaped.
    pub ended_children: u16,
    /// Set once the process has ended.
    pub status: Option<i32>,
}

/// Entries in a piece, one for each bit of a word.
const PIECE: usize = u64::BITS as usize;
const PIECES: usize = MOST.div_ceil(PIECE);

struct Piece<P> {
    /// A bit for each place in use.
    used: u64,
    entries: [Option<Entry<P>>; PIECE],
}

const _: () = assert!(size_of::<Piece<()>>() <= PAGE_SIZE);

/// Chains of entries by their numbers' hashes.
const CHAINS: usize = 64;

/// The entries, by place and by number.
pub struct Places<P> {
    /// The lowest free place is taken, so that pieces become empty again.
    pieces: [Option<KBox<Piece<P>>>; PIECES],
    chains: [Option<Place>; CHAINS],
    count: usize,
}

fn chain(pid: i32) -> usize {
    pid as usize % CHAINS
}

impl<P: Deref<Target = Identity>> Places<P> {
    pub const fn new() -> Places<P> {
        Places {
            pieces: [const { None }; PIECES],
            chains: [None; CHAINS],
            count: 0,
        }
    }

    /// Entries.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Puts an entry for a process, which is nobody's child yet, into the lowest free place.
    pub fn insert(&mut self, process: KArc<P>) -> Result<Place, AllocError> {
        let room = |piece: &Option<KBox<Piece<P>>>| piece.as_ref().is_none_or(|p| p.used != !0);
        let number = self.pieces.iter().position(room).ok_or(AllocError)?;
        let slot = self.pieces.get_mut(number).ok_or(AllocError)?;
        let piece: &mut Piece<P> = match slot {
            Some(piece) => piece,
            None => slot.insert(KBox::try_new_with(|| Piece {
                used: 0,
                entries: [const { None }; PIECE],
            })?),
        };
        let bit = piece.used.trailing_ones() as usize;
        let place = (number * PIECE + bit) as Place;
        let entry = piece.entries.get_mut(bit).ok_or(AllocError)?;
        piece.used |= 1 << bit;
        let first = &mut self.chains[chain(process.pid)];
        *entry = Some(Entry {
            process,
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            next_hashed: first.replace(place),
            ended_children: 0,
            status: None,
        });
        self.count += 1;
        Ok(place)
    }

    /// Frees a place whose entry is nobody's child or parent.
    pub fn remove(&mut self, place: Place) -> Option<Entry<P>> {
        self.unlink_hashed(place);
        let slot = self.pieces.get_mut(usize::from(place) / PIECE)?;
        let piece = slot.as_mut()?;
        let bit = usize::from(place) % PIECE;
        let entry = piece.entries.get_mut(bit)?.take()?;
        piece.used &= !(1 << bit);
        if piece.used == 0 {
            *slot = None;
        }
        self.count -= 1;
        Some(entry)
    }

    fn unlink_hashed(&mut self, place: Place) {
        let Some(entry) = self.get(place) else {
            return;
        };
        let (chain, next) = (chain(entry.process.pid), entry.next_hashed);
        let mut at = self.chains[chain];
        if at == Some(place) {
            self.chains[chain] = next;
            return;
        }
        while let Some(before) = at.and_then(|at| self.get_mut(at)) {
            at = before.next_hashed;
            if at == Some(place) {
                before.next_hashed = next;
                return;
            }
        }
    }

    /// The place of the process with this number.
    pub fn find(&self, pid: i32) -> Option<Place> {
        let mut at = self.chains[chain(pid)];
        while let Some(place) = at {
            let entry = self.get(place)?;
            if entry.process.pid == pid {
                return Some(place);
            }
            at = entry.next_hashed;
        }
        None
    }

    pub fn get(&self, place: Place) -> Option<&Entry<P>> {
        let piece = self.pieces.get(usize::from(place) / PIECE)?.as_ref()?;
        piece.entries.get(usize::from(place) % PIECE)?.as_ref()
    }

    pub fn get_mut(&mut self, place: Place) -> Option<&mut Entry<P>> {
        let piece = self.pieces.get_mut(usize::from(place) / PIECE)?.as_mut()?;
        piece.entries.get_mut(usize::from(place) % PIECE)?.as_mut()
    }

    /// All entries, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<P>> {
        let pieces = self.pieces.iter().flatten();
        pieces.flat_map(|piece| piece.entries.iter().flatten())
    }
}
