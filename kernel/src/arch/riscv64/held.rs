//! Records of locks, for those who ask what a hart or a process does. Others may look at them at any
//! time, so what they see may be half of an entry that just changes.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// A lock, and where it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// What kind of lock it is: a rank, or what sleeps for it.
    pub kind: u8,
    /// Its address.
    pub lock: usize,
    /// Where the call that took it, or wants it, returns to.
    pub at: usize,
}

struct Place {
    kind: AtomicU8,
    lock: AtomicUsize,
    at: AtomicUsize,
}

/// At most `N` locks, in the order in which they were taken. One hart or process changes it.
pub struct Held<const N: usize> {
    places: [Place; N],
    count: AtomicUsize,
}

impl<const N: usize> Held<N> {
    /// None.
    pub const fn new() -> Held<N> {
        Held {
            places: [const {
                Place {
                    kind: AtomicU8::new(0),
                    lock: AtomicUsize::new(0),
                    at: AtomicUsize::new(0),
                }
            }; N],
            count: AtomicUsize::new(0),
        }
    }

    /// Adds a lock; false when there are `N` already.
    pub fn push(&self, taken: Taken) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        let Some(place) = self.places.get(count) else {
            return false;
        };
        place.set(taken);
        self.count.store(count + 1, Ordering::Release);
        true
    }

    /// Takes the lock at this address out; false if it is not there.
    pub fn pop(&self, lock: usize) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        let Some(position) = self.iter().position(|taken| taken.lock == lock) else {
            return false;
        };
        let behind = self.places.iter().take(count).skip(position);
        for (to, from) in behind.clone().zip(behind.skip(1)) {
            to.set(from.get());
        }
        self.count.store(count - 1, Ordering::Release);
        true
    }

    /// The locks.
    pub fn iter(&self) -> impl Iterator<Item = Taken> {
        let count = self.count.load(Ordering::Acquire);
        self.places.iter().take(count).map(Place::get)
    }
}

impl Place {
    fn set(&self, taken: Taken) {
        self.kind.store(taken.kind, Ordering::Relaxed);
        self.lock.store(taken.lock, Ordering::Relaxed);
        self.at.store(taken.at, Ordering::Relaxed);
    }

    fn get(&self) -> Taken {
        Taken {
            kind: self.kind.load(Ordering::Relaxed),
            lock: self.lock.load(Ordering::Relaxed),
            at: self.at.load(Ordering::Relaxed),
        }
    }
}
