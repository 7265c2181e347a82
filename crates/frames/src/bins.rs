//! Which words have a free run of which size: for each class a set of word numbers, as a tree of
//! bits in which an inner bit says that the word below it has one. Finding the first number of the
//! smallest class that will do takes one step a level, whatever the memory's size.

use core::num::{NonZeroU32, NonZeroU64};

/// Levels that are enough for every 32-bit frame number.
const MAX_DEPTH: usize = 5;

/// `classes` sets of numbers below a fixed length.
pub(crate) struct Bins {
    bits: &'static mut [u64],
    /// Where each level starts in `bits` and how many words a class has there; leaves first.
    levels: [(usize, usize); MAX_DEPTH],
    depth: usize,
    /// A bit for each class whose set is not empty.
    any: u32,
}

/// Words that sets of numbers below `len` take.
pub(crate) const fn bins_len(len: usize, classes: usize) -> usize {
    let mut words = len.div_ceil(64);
    let mut sum = words;
    while words > 1 {
        words = words.div_ceil(64);
        sum += words;
    }
    sum * classes
}

impl Bins {
    /// Empty sets in zeroed `bits`, of [`bins_len`] words.
    pub(crate) fn new(bits: &'static mut [u64], len: usize, classes: usize) -> Bins {
        let mut levels = [(0, 0); MAX_DEPTH];
        let (mut depth, mut start, mut words) = (0, 0, len.div_ceil(64));
        for level in &mut levels {
            *level = (start, words);
            depth += 1;
            if words <= 1 {
                break;
            }
            start += words * classes;
            words = words.div_ceil(64);
        }
        Bins {
            bits,
            levels,
            depth,
            any: 0,
        }
    }

    /// Adds `index` to the set of `class`.
    #[inline]
    pub(crate) fn insert(&mut self, class: u32, index: usize) {
        let mut index = index;
        for &(start, words) in &self.levels[..self.depth] {
            let word = &mut self.bits[start + class as usize * words + index / 64];
            let before = *word;
            *word = before | 1 << (index % 64);
            if before != 0 {
                return;
            }
            index /= 64;
        }
        self.any |= 1 << class;
    }

    /// Takes `index` out of the set of `class`.
    #[inline]
    pub(crate) fn remove(&mut self, class: u32, index: usize) {
        let mut index = index;
        for &(start, words) in &self.levels[..self.depth] {
            let word = &mut self.bits[start + class as usize * words + index / 64];
            *word &= !(1 << (index % 64));
            if *word != 0 {
                return;
            }
            index /= 64;
        }
        self.any &= !(1 << class);
    }

    /// The smallest class of at least `least` that has anything, and the first number in it.
    #[inline]
    pub(crate) fn first(&self, least: u32) -> Option<(u32, usize)> {
        let class = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
        let mut index = 0;
        for &(start, words) in self.levels[..self.depth].iter().rev() {
            let word = self.bits[start + class as usize * words + index];
            index = index * 64 + NonZeroU64::new(word)?.trailing_zeros() as usize;
        }
        Some((class, index))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeSet;
    use std::vec;

    proptest::proptest! {
        #[test]
        fn agrees_with_sorted_sets(
            len in 1usize..10_000,
            steps in proptest::collection::vec((proptest::bool::ANY, 0u32..5, 0usize..10_000), 1..300),
        ) {
            let mut bins = Bins::new(vec![0; bins_len(len, 5)].leak(), len, 5);
            let mut model = BTreeSet::new();
            for (add, class, index) in steps {
                let index = index % len;
                if add {
                    bins.insert(class, index);
                    model.insert((class, index));
                } else {
                    bins.remove(class, index);
                    model.remove(&(class, index));
                }
                for least in 0..5 {
                    let expected = model.range((least, 0)..).next().copied();
                    assert_eq!(bins.first(least), expected, "first of class {least} and up");
                }
            }
        }
    }
}
