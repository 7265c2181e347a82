//! Index of the bins: for each bin, a bit for each group with a word in it. The first group of the smallest bin
//! that fits is found by looking at two words; with more than 64 groups (of 64 words of 64 frames each, more
//! than 1 GiB), some more.

use core::num::{NonZeroU32, NonZeroU64};

/// Bins there are at most.
pub(crate) const BINS: usize = 8;

/// For each bin the groups that may have a word in it.
pub(crate) struct Bins {
    /// A bit for each group, or for as many in a row as it takes to have 64 bits for all. Set where
    /// one of them has a word in the bin, though not always the other way round.
    groups: [u64; BINS],
    /// Groups that share a bit, as a power of two.
    shift: u32,
    /// A bit for each bin, clear where its word in `groups` is zero.
    any: u32,
}

impl Bins {
    /// Nothing in any bin of any of `groups` groups.
    pub(crate) fn new(groups: usize) -> Bins {
        Bins {
            groups: [0; BINS],
            shift: groups.div_ceil(64).next_power_of_two().ilog2(),
            any: 0,
        }
    }

    /// Says that a group has a word in a bin.
    #[inline(always)]
    pub(crate) fn set(&mut self, bin: u32, group: usize) {
        self.groups[bin as usize % BINS] |= 1 << (group >> self.shift & 63);
        self.any |= 1 << bin;
    }

    /// Says that a group has no word in a bin any more.
    #[inline(always)]
    pub(crate) fn clear(&mut self, bin: u32, group: usize) {
        // With others on the same bit, only a search can tell.
        if self.shift == 0 {
            self.clear_bit(bin, group as u32);
        }
    }

    #[inline(always)]
    fn clear_bit(&mut self, bin: u32, bit: u32) {
        let groups = &mut self.groups[bin as usize % BINS];
        *groups &= !(1 << (bit & 63));
        if *groups == 0 {
            self.any &= !(1 << bin);
        }
    }

    /// The smallest bin that has anything, or a smaller one.
    #[inline]
    pub(crate) fn smallest(&self) -> u32 {
        self.any.trailing_zeros()
    }

    /// The smallest bin of at least `least` that has anything, and the first group that may have it.
    #[inline(always)]
    pub(crate) fn first(&self, least: u32) -> Option<(u32, usize)> {
        let bin = least + NonZeroU32::new(self.any >> least)?.trailing_zeros();
        let groups = NonZeroU64::new(self.groups[bin as usize % BINS])?;
        Some((bin, (groups.trailing_zeros() as usize) << self.shift))
    }

    /// The same, of the groups for which `has` says that they have a word in the bin.
    pub(crate) fn search(
        &mut self,
        least: u32,
        has: impl Fn(u32, usize) -> bool,
    ) -> Option<(u32, usize)> {
        loop {
            let (bin, first) = self.first(least)?;
            let mut same_bit = first..first + (1 << self.shift);
            if let Some(group) = same_bit.find(|&group| has(bin, group)) {
                return Some((bin, group));
            }
            self.clear_bit(bin, (first >> self.shift) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeSet;

    proptest::proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "arithmetic, of which Miri sees nothing and for long")]
        fn agrees_with_sorted_sets(
            len in 1usize..1000,
            steps in proptest::collection::vec((proptest::bool::ANY, 0u32..7, 0usize..1000), 1..300),
        ) {
            let mut bins = Bins::new(len);
            let mut model = BTreeSet::new();
            for (add, bin, group) in steps {
                let group = group % len;
                if add {
                    bins.set(bin, group);
                    model.insert((bin, group));
                } else if model.remove(&(bin, group)) {
                    bins.clear(bin, group);
                }
                for least in 0..7 {
                    let expected = model.range((least, 0)..).next().copied();
                    let found = bins.search(least, |bin, group| model.contains(&(bin, group)));
                    assert_eq!(found, expected, "first of bin {least} and up");
                    let hint = bins.first(least);
                    assert!(hint.is_some() || expected.is_none(), "none in bin {least} and up");
                }
            }
        }
    }
}
