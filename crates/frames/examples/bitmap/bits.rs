//! A bit for each frame, 1 for a free one; searched from the start each time.

use frames::MAX_ORDER;

/// Bits that are all looked at.
pub struct Bits(pub &'static mut [u64]);

impl Bits {
    /// Whether the frame is free.
    pub fn get(&self, index: usize) -> bool {
        let word = self.0.get(index / 64).copied().unwrap_or(0);
        word >> (index % 64) & 1 == 1
    }

    /// Makes a block free, or takes it.
    pub fn set(&mut self, first: usize, order: usize, free: bool) {
        for index in first..first + (1 << order) {
            let Some(word) = self.0.get_mut(index / 64) else {
                return;
            };
            let bit = 1 << (index % 64);
            *word = if free { *word | bit } else { *word & !bit };
        }
    }

    /// Whether all of an aligned block is free.
    fn is_free(&self, first: usize, order: usize) -> bool {
        if order < 6 {
            let ones = (1 << (1 << order)) - 1;
            let word = self.0.get(first / 64).copied().unwrap_or(0);
            return word >> (first % 64) & ones == ones;
        }
        let words = self.0.get(first / 64..(first + (1 << order)) / 64);
        words.is_some_and(|words| words.iter().all(|&word| word == u64::MAX))
    }

    /// The lowest free block of this order.
    pub fn find(&self, order: usize) -> Option<usize> {
        let mut blocks = (0..self.0.len() * 64).step_by(1 << order);
        blocks.find(|&first| self.is_free(first, order))
    }

    /// Free blocks of each order that are part of no larger one.
    pub fn blocks(&self) -> [usize; MAX_ORDER + 1] {
        let mut blocks = [0; MAX_ORDER + 1];
        for first in (0..self.0.len() * 64).step_by(1 << MAX_ORDER) {
            self.count(first, MAX_ORDER, &mut blocks);
        }
        blocks
    }

    fn count(&self, first: usize, order: usize, blocks: &mut [usize; MAX_ORDER + 1]) {
        if self.is_free(first, order) {
            blocks[order] += 1;
        } else if order > 0 && self.has_some(first, order) {
            self.count(first, order - 1, blocks);
            self.count(first + (1 << (order - 1)), order - 1, blocks);
        }
    }

    /// Whether a frame of the words that an aligned block is in is free.
    fn has_some(&self, first: usize, order: usize) -> bool {
        let mut words = self
            .0
            .iter()
            .skip(first / 64)
            .take((1_usize << order).div_ceil(64));
        words.any(|&word| word != 0)
    }
}
