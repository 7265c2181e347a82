//! The order in which spin locks are taken: only ever towards higher ranks. Builds with debug
//! assertions check it on every acquisition.

use core::cell::Cell;

/// Who dies when memory ends.
pub const OOM: u8 = 5;
/// The table of processes.
pub const TABLE: u8 = 10;
/// Lists of objects in caches.
pub const CACHE: u8 = 15;
/// Sleepers in the order of their time.
pub const TIMER: u8 = 20;
/// A device or its buffers.
pub const DEVICE: u8 = 30;
/// kmalloc.
pub const KMALLOC: u8 = 40;
/// The frame allocator.
pub const FRAMES: u8 = 50;
/// A queue of waiting processes.
pub const WAIT: u8 = 60;
/// A queue of runnable processes.
pub const RUN: u8 = 70;
/// Console output: anything may print.
pub const OUTPUT: u8 = 80;

const DEPTH: usize = 16;

/// The ranks one hart holds, in order of acquisition.
pub struct HeldRanks {
    held: [Cell<u8>; DEPTH],
    count: Cell<usize>,
}

impl HeldRanks {
    /// None held.
    pub const fn new() -> HeldRanks {
        HeldRanks {
            held: [const { Cell::new(0) }; DEPTH],
            count: Cell::new(0),
        }
    }

    /// Records an acquisition. Interrupts are off.
    ///
    /// # Panics
    /// If a lock of a higher rank is held, or too many.
    pub fn push(&self, rank: u8) {
        let held = self.held.iter().take(self.count.get());
        let top = held.map(Cell::get).max().unwrap_or(0);
        assert!(
            rank >= top,
            "lock of rank {rank} taken while one of rank {top} is held"
        );
        self.push_tried(rank);
    }

    /// Records an acquisition that did not wait: such a one closes no circle, whatever its rank.
    pub fn push_tried(&self, rank: u8) {
        let count = self.count.get();
        match self.held.get(count) {
            Some(place) => place.set(rank),
            None => panic!("more than {DEPTH} spin locks held"),
        }
        self.count.set(count + 1);
    }

    /// Records a release, in whatever order.
    pub fn pop(&self, rank: u8) {
        let count = self.count.get();
        let Some(position) = (0..count).rev().find(|&i| self.held[i].get() == rank) else {
            panic!("lock of rank {rank} released but not held");
        };
        for i in position..count - 1 {
            self.held[i].set(self.held[i + 1].get());
        }
        self.count.set(count - 1);
    }
}
