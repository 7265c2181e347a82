//! The shared part: a buddy allocator over frame indices, kept in masks outside the frames.
//!
//! Orders 0 to 5 are runs of bits in words of 64 frames, orders 6 to 10 runs of bits in words of 64
//! such words. A block is cut from the smallest free block that holds it, at the lowest address in
//! the fullest word, so that large blocks stay whole.

use crate::MAX_ORDER;
use crate::level::Level;
use crate::word::WORD_ORDER;

pub(crate) type Low = Level<{ WORD_ORDER - 1 }>;
pub(crate) type High = Level<{ MAX_ORDER as u32 - WORD_ORDER }>;

/// Free blocks of frame indices.
pub(crate) struct Buddy {
    low: Low,
    high: High,
    free: usize,
    least_free: usize,
    /// Free blocks of each order, each entry as the difference to the one before: cutting a block
    /// into halves down to some order then changes three entries and not all in between.
    steps: [isize; MAX_ORDER + 2],
}

impl Buddy {
    /// Nothing free.
    pub(crate) fn new(low: Low, high: High) -> Buddy {
        Buddy {
            low,
            high,
            free: 0,
            least_free: 0,
            steps: [0; MAX_ORDER + 2],
        }
    }

    /// Takes a block of `order`, at most [`MAX_ORDER`]; its first index.
    #[inline]
    pub(crate) fn take(&mut self, order: usize) -> Option<usize> {
        let order = order as u32;
        if order < WORD_ORDER {
            return self.take_small(order, order).map(|(index, _)| index);
        }
        let taken = self.high.take(order - WORD_ORDER, order - WORD_ORDER)?;
        self.cut(taken.from + WORD_ORDER, order);
        Some(taken.unit * 64)
    }

    /// Takes a block of order `least` or more, at most `most`, both below the order of a word:
    /// whatever comes from the smallest free block. Its first index and its order.
    #[inline]
    pub(crate) fn take_small(&mut self, least: u32, most: u32) -> Option<(usize, u32)> {
        if let Some(taken) = self.low.take(least, most) {
            self.cut(taken.from, taken.order);
            return Some((taken.unit, taken.order));
        }
        let taken = self.high.take(0, 0)?;
        self.low.open(taken.unit, most);
        self.cut(taken.from + WORD_ORDER, most);
        Some((taken.unit * 64, most))
    }

    /// Fills the start of `out` with single frames, in runs as far as there are any; how many.
    #[inline]
    pub(crate) fn take_singles(&mut self, out: &mut [u32]) -> usize {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..)
            && let Some(most) = room.len().checked_ilog2()
            && let Some((first, order)) = self.take_small(0, most.min(WORD_ORDER - 1))
        {
            for (slot, index) in room[..1 << order].iter_mut().zip(first..) {
                *slot = index as u32;
            }
            filled += 1 << order;
        }
        filled
    }

    /// Gives back a block.
    #[inline]
    pub(crate) fn give(&mut self, index: usize, order: usize) {
        let order = order as u32;
        let mut now = order;
        if order < WORD_ORDER {
            now = self.low.give(index, order);
        }
        if now >= WORD_ORDER {
            now = WORD_ORDER + self.high.give(index / 64, now - WORD_ORDER);
        }
        self.joined(order, now);
    }

    /// Counts that a block of `order` was cut from one of order `from`.
    #[inline]
    fn cut(&mut self, from: u32, order: u32) {
        self.steps[order as usize] += 1;
        self.steps[from as usize] -= 2;
        self.steps[from as usize + 1] += 1;
        self.free -= 1 << order;
        self.least_free = self.least_free.min(self.free);
    }

    /// Counts that a block of `order` became part of one of order `now`.
    #[inline]
    fn joined(&mut self, order: u32, now: u32) {
        self.steps[order as usize] -= 1;
        self.steps[now as usize] += 2;
        self.steps[now as usize + 1] -= 1;
        self.free += 1 << order;
    }

    /// Forgets the low point so far.
    pub(crate) fn reset_least_free(&mut self) {
        self.least_free = self.free;
    }

    /// Free frames.
    #[inline]
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// The fewest free frames there have been.
    pub(crate) fn least_free(&self) -> usize {
        self.least_free
    }

    /// Free blocks of each order.
    pub(crate) fn blocks(&self) -> [usize; MAX_ORDER + 1] {
        let mut sum = 0;
        core::array::from_fn(|order| {
            sum += self.steps[order];
            sum.max(0) as usize
        })
    }
}
