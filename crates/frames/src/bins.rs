//! Which words have a free run of which size: for each class a set of word numbers. Finding the
//! first number of the smallest class that will do takes a look at three words; where there are
//! more than 4096 numbers (with 64 frames a word, more than 1 GiB) some more.

use core::num::{NonZeroU32, NonZeroU64};

/// Classes there are at most.
const CLASSES: usize = 8;

/// Sets of numbers below a fixed length, one for each class.
pub(crate) struct Bins {
    /// For 64 numbers, a word for each class.
    lower: &'static mut [[u64; CLASSES]],
    /// For each class a bit for each of its words in `lower`, or for as many of them in a row as
    /// it takes to have 64 bits for all. Clear where these words are zero, though not always the
    /// other way round.
    upper: [u64; CLASSES],
    /// Words of `lower` that share a bit, as a power of two.
    shift: u32,
    /// A bit for each class, clear where its word in `upper` is zero.
    any: u32,
}

/// Words that sets of numbers below `len` take.
pub(crate) const fn bins_len(len: usize) -> usize {
    len.div_ceil(64) * CLASSES
}

impl Bins {
    /// Empty sets in zeroed `bits`, of [`bins_len`] words.
    pub(crate) fn new(bits: &'static mut [u64]) -> Bins {
        let lower = bits.as_chunks_mut().0;
        Bins {
            upper: [0; CLASSES],
            shift: lower.len().div_ceil(64).next_power_of_two().ilog2(),
            lower,
            any: 0,
        }
    }

    /// Adds `index` to the set of `class`.
    #[inline(always)]
    pub(crate) fn insert(&mut self, class: u32, index: usize) {
        let word = &mut self.lower[index / 64][class as usize % CLASSES];
        let before = *word;
        *word = before | 1 << (index % 64);
        if before == 0 {
            self.upper[class as usize % CLASSES] |= 1 << (index / 64 >> self.shift);
            self.any |= 1 << class;
        }
    }

    /// Takes `index` out of the set of `class`.
    #[inline(always)]
    pub(crate) fn remove(&mut self, class: u32, index: usize) {
        let word = &mut self.lower[index / 64][class as usize % CLASSES];
        *word &= !(1 << (index % 64));
        if *word == 0 && self.shift == 0 {
            self.clear_upper(class, index / 64);
        }
    }

    /// Says that the words of a bit of `upper` are zero.
    #[inline(always)]
    fn clear_upper(&mut self, class: u32, bit: usize) {
        let word = &mut self.upper[class as usize % CLASSES];
        *word &= !(1 << (bit % 64));
        if *word == 0 {
            self.any &= !(1 << class);
        }
    }

    /// Takes `index` out of all sets.
    pub(crate) fn clear(&mut self, index: usize) {
        for class in 0..CLASSES as u32 {
            self.remove(class, index);
        }
    }

    /// The smallest class that has anything, or a smaller one.
    #[inline]
    pub(crate) fn smallest(&self) -> u32 {
        self.any.trailing_zeros()
    }

    /// The smallest class of at least `least` that has anything, and the first number in it; none
    /// also if it takes more than one look to find that, for [`Bins::first`].
    #[inline(always)]
    pub(crate) fn glance(&self, least: u32) -> Option<(u32, usize)> {
        let class = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
        let upper = NonZeroU64::new(self.upper[class as usize % CLASSES])?;
        let place = (upper.trailing_zeros() as usize) << self.shift;
        let lower = NonZeroU64::new(self.lower.get(place)?[class as usize % CLASSES])?;
        Some((class, place * 64 + lower.trailing_zeros() as usize))
    }

    /// The smallest class of at least `least` that has anything, and the first number in it.
    pub(crate) fn first(&mut self, least: u32) -> Option<(u32, usize)> {
        loop {
            let class = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
            let upper = NonZeroU64::new(self.upper[class as usize % CLASSES])?;
            let bit = upper.trailing_zeros() as usize;
            let places = (bit << self.shift)..(bit + 1) << self.shift;
            for place in places.start..places.end.min(self.lower.len()) {
                let word = self.lower[place][class as usize % CLASSES];
                if let Some(word) = NonZeroU64::new(word) {
                    return Some((class, place * 64 + word.trailing_zeros() as usize));
                }
            }
            self.clear_upper(class, bit);
        }
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
            steps in proptest::collection::vec((0u8..8, 0u32..7, 0usize..10_000), 1..300),
        ) {
            let mut bins = Bins::new(vec![0; bins_len(len)].leak());
            let mut model = BTreeSet::new();
            for (what, class, index) in steps {
                let index = index % len;
                match what {
                    0..4 => {
                        bins.insert(class, index);
                        model.insert((class, index));
                    }
                    4..6 => {
                        bins.remove(class, index);
                        model.remove(&(class, index));
                    }
                    _ => {
                        bins.clear(index);
                        model.retain(|&(_, other)| other != index);
                    }
                }
                for least in 0..7 {
                    let expected = model.range((least, 0)..).next().copied();
                    let glance = bins.glance(least);
                    assert!(glance.is_none() || glance == expected, "glance at {least} and up");
                    assert_eq!(bins.first(least), expected, "first of class {least} and up");
                }
            }
        }
    }
}
