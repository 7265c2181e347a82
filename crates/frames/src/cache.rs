//! Per-CPU caches of free frames, in front of the buddy allocator.

use crate::buddy::Buddy;

/// Frames that a cache and the buddy allocator exchange at once; few in tests, so that it happens often.
pub(crate) const BATCH: usize = if cfg!(test) { 2 } else { 16 };
/// Frames a cache holds at most.
const CAPACITY: usize = 2 * BATCH;

/// A stack of free frames' indices. Alone on its cache lines, so that CPUs do not disturb each
/// other.
#[repr(align(64))]
pub(crate) struct Cache {
    len: usize,
    frames: [u32; CAPACITY],
}

impl Cache {
    pub(crate) const EMPTY: Cache = Cache {
        len: 0,
        frames: [0; CAPACITY],
    };

    /// The cache of a CPU that does not exist: `pop` and `push` fail by the length alone.
    pub(crate) const NONE: Cache = Cache {
        len: usize::MAX,
        frames: [0; CAPACITY],
    };

    /// Frames in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The frame that came last.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let last = self.len.wrapping_sub(1);
        let index = *self.frames.get(last)?;
        self.len = last;
        Some(index as usize)
    }

    /// Adds a frame; false when it is full.
    #[inline]
    pub(crate) fn push(&mut self, index: usize) -> bool {
        let Some(slot) = self.frames.get_mut(self.len) else {
            return false;
        };
        *slot = index as u32;
        self.len += 1;
        true
    }

    /// Fills an empty cache with a batch; the lowest frame will be popped first.
    pub(crate) fn refill(&mut self, buddy: &mut Buddy) {
        let batch = &mut self.frames[..BATCH];
        self.len = buddy.take_singles(batch);
        batch[..self.len].reverse();
    }

    /// Moves a batch of the oldest frames to the buddy allocator.
    pub(crate) fn spill(&mut self, buddy: &mut Buddy) {
        let batch = self.len.min(BATCH);
        for &index in &self.frames[..batch] {
            buddy.give(index as usize, 0);
        }
        self.frames.copy_within(batch..self.len, 0);
        self.len -= batch;
    }

    /// Moves all frames to the buddy allocator.
    pub(crate) fn drain(&mut self, buddy: &mut Buddy) {
        while self.len > 0 {
            self.spill(buddy);
        }
    }
}
