//! Lists of held locks, as in Linux's lockdep, for lock-order checks and state dumps. Other harts may read a
//! list while it changes and then see a torn entry.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// A lock, and where it is acquired.
#[derive(Clone, Copy, Debug)]
pub struct HeldLock {
    /// The rank of a spin lock; the wait channel of a sleeping lock.
    pub kind: u8,
    /// Address of the lock.
    pub lock: usize,
    /// Return address of the call that acquires it.
    pub at: usize,
}

struct Slot {
    kind: AtomicU8,
    lock: AtomicUsize,
    at: AtomicUsize,
}

/// At most `N` locks, in order of acquisition. Only one hart or thread changes the list.
pub struct HeldLocks<const N: usize> {
    slots: [Slot; N],
    count: AtomicUsize,
}

impl<const N: usize> HeldLocks<N> {
    /// An empty list.
    pub const fn new() -> HeldLocks<N> {
        HeldLocks {
            slots: [const {
                Slot {
                    kind: AtomicU8::new(0),
                    lock: AtomicUsize::new(0),
                    at: AtomicUsize::new(0),
                }
            }; N],
            count: AtomicUsize::new(0),
        }
    }

    /// Appends a lock; returns false if the list is full.
    pub fn push(&self, taken: HeldLock) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        let Some(slot) = self.slots.get(count) else {
            return false;
        };
        slot.set(taken);
        self.count.store(count + 1, Ordering::Release);
        true
    }

    /// Removes the lock at this address; returns false if it is not in the list.
    pub fn pop(&self, lock: usize) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        let Some(position) = self.iter().position(|taken| taken.lock == lock) else {
            return false;
        };
        let behind = self.slots.iter().take(count).skip(position);
        for (to, from) in behind.clone().zip(behind.skip(1)) {
            to.set(from.get());
        }
        self.count.store(count - 1, Ordering::Release);
        true
    }

    /// The locks.
    pub fn iter(&self) -> impl Iterator<Item = HeldLock> {
        let count = self.count.load(Ordering::Acquire);
        self.slots.iter().take(count).map(Slot::get)
    }
}

impl Slot {
    fn set(&self, taken: HeldLock) {
        self.kind.store(taken.kind, Ordering::Relaxed);
        self.lock.store(taken.lock, Ordering::Relaxed);
        self.at.store(taken.at, Ordering::Relaxed);
    }

    fn get(&self) -> HeldLock {
        HeldLock {
            kind: self.kind.load(Ordering::Relaxed),
            lock: self.lock.load(Ordering::Relaxed),
            at: self.at.load(Ordering::Relaxed),
        }
    }
}
