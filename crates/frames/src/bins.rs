//! Which words may have a free run of which size: for each class a set of word numbers. Finding the
//! first number of the smallest class that will do takes a look at three words, and one more for
//! each 4096 numbers: with 64 frames a word, for each GiB.
//!
//! The sets are kept lazily where that is safe: what is above an empty part is only found to be
//! empty when somebody looks.

use core::num::{NonZeroU32, NonZeroU64};

/// Classes there are at most.
const CLASSES: usize = 8;

/// Sets of numbers below a fixed length, one for each class.
pub(crate) struct Bins {
    /// For 64 numbers, a word for each class.
    lower: &'static mut [[u64; CLASSES]],
    /// For each class a bit for each of its words in `lower`; clear where such a word is zero,
    /// though not the other way round.
    upper: &'static mut [u64],
    /// Words of `upper` that a class has.
    width: usize,
    /// A bit for each class, clear where all its words in `upper` are zero.
    any: u32,
}

/// Lengths of the two levels, for numbers below `len`.
const fn levels(len: usize) -> (usize, usize) {
    let lower = len.div_ceil(64);
    (lower, lower.div_ceil(64) * CLASSES)
}

/// Words that sets of numbers below `len` take.
pub(crate) const fn bins_len(len: usize) -> usize {
    let (lower, upper) = levels(len);
    lower * CLASSES + upper
}

impl Bins {
    /// Empty sets in zeroed `bits`, of [`bins_len`] words.
    pub(crate) fn new(bits: &'static mut [u64], len: usize) -> Bins {
        let (_, upper_len) = levels(len);
        let (upper, lower) = bits.split_at_mut(upper_len);
        Bins {
            lower: lower.as_chunks_mut().0,
            upper,
            width: upper_len / CLASSES,
            any: 0,
        }
    }

    /// Adds `index` to the set of `class`.
    #[inline]
    pub(crate) fn insert(&mut self, class: u32, index: usize) {
        let word = &mut self.lower[index / 64][class as usize % CLASSES];
        let before = *word;
        *word = before | 1 << (index % 64);
        if before == 0 {
            self.insert_upper(class, index / 64);
        }
    }

    #[inline]
    fn insert_upper(&mut self, class: u32, place: usize) {
        self.upper[class as usize * self.width + place / 64] |= 1 << (place % 64);
        self.any |= 1 << class;
    }

    /// Takes `index` out of all sets; `class` is the one of which that may be the first.
    #[inline]
    pub(crate) fn clear(&mut self, class: u32, index: usize) {
        let words = &mut self.lower[index / 64];
        for word in &mut *words {
            *word &= !(1 << (index % 64));
        }
        if words[class as usize % CLASSES] == 0 {
            self.clear_upper(class, index / 64);
        }
    }

    /// Takes `index` out of the set of `class`.
    #[inline(always)]
    pub(crate) fn remove(&mut self, class: u32, index: usize) {
        let word = &mut self.lower[index / 64][class as usize % CLASSES];
        *word &= !(1 << (index % 64));
        if *word == 0 {
            self.clear_upper(class, index / 64);
        }
    }

    #[inline]
    fn clear_upper(&mut self, class: u32, place: usize) {
        let word = &mut self.upper[class as usize * self.width + place / 64];
        *word &= !(1 << (place % 64));
        if *word == 0 && self.width == 1 {
            self.any &= !(1 << class);
        }
    }

    /// The smallest class that has anything, or a smaller one.
    #[inline]
    pub(crate) fn smallest(&self) -> u32 {
        self.any.trailing_zeros()
    }

    /// The smallest class of at least `least` that has anything, and the first number in it; none
    /// also if it takes more than a look at one word a level to find that, for [`Bins::first`].
    #[inline]
    pub(crate) fn glance(&self, least: u32) -> Option<(u32, usize)> {
        let class = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
        let upper = NonZeroU64::new(*self.upper.get(class as usize * self.width)?)?;
        let place = upper.trailing_zeros() as usize;
        let lower = NonZeroU64::new(self.lower.get(place)?[class as usize % CLASSES])?;
        Some((class, place * 64 + lower.trailing_zeros() as usize))
    }

    /// The smallest class of at least `least` that has anything, and the first number in it.
    pub(crate) fn first(&mut self, least: u32) -> Option<(u32, usize)> {
        loop {
            let class = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
            let start = class as usize * self.width;
            let upper = self.upper.get_mut(start..start + self.width)?;
            let Some((at, upper)) = upper.iter_mut().enumerate().find(|(_, word)| **word != 0)
            else {
                self.any &= !(1 << class);
                continue;
            };
            let place = at * 64 + upper.trailing_zeros() as usize;
            if let Some(word) = NonZeroU64::new(self.lower.get(place)?[class as usize % CLASSES]) {
                return Some((class, place * 64 + word.trailing_zeros() as usize));
            }
            *upper &= *upper - 1;
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
            let mut bins = Bins::new(vec![0; bins_len(len)].leak(), len);
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
                        bins.clear(class, index);
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
