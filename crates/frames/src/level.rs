//! A row of words of bits, each in the bins of the runs it may have.

use crate::bins::{BINS, Bins};
use crate::word::{RUN, WORD_ORDER, maximal, merged};
use core::num::NonZeroU64;

/// Words of units in a group.
const WORDS: usize = 64;
/// Words in all of a group: those of units, then for each bin one that says which of those are in it.
pub(crate) const GROUP: usize = WORDS + BINS;

/// Units in words of 64 in groups of 64, where runs have an order of at most `TOP` units.
///
/// A word is in the bin of each order of which it has a run that is part of no larger one. It may
/// be in others too, until it is found there. A word of which all units are free, on a level that
/// has such runs, stays in their bin alone while runs are cut from it, until it is found there again: if
/// the run comes back first, no bin has changed.
pub(crate) struct Level<const TOP: u32> {
    groups: &'static mut [[u64; GROUP]],
    bins: Bins,
}

/// A run that was taken.
pub(crate) struct Taken {
    /// The first unit.
    pub(crate) unit: usize,
    /// The order of the free run it was cut from.
    pub(crate) from: u32,
}

impl<const TOP: u32> Level<TOP> {
    /// `u64`s that a level of so many units needs.
    pub(crate) const fn len(units: usize) -> usize {
        units.div_ceil(64 * WORDS) * GROUP
    }

    /// A level with nothing free; all memory zeroed.
    pub(crate) fn new(memory: &'static mut [u64]) -> Level<TOP> {
        let groups = memory.as_chunks_mut().0;
        Level {
            bins: Bins::new(groups.len()),
            groups,
        }
    }

    /// The order of the smallest run, or a smaller one.
    #[inline]
    pub(crate) fn smallest(&self) -> u32 {
        self.bins.smallest()
    }

    /// Takes a run of order `order` from the smallest run that holds it, the first one of those.
    /// None also if that takes more than one look, or cutting a run into pieces that need bins:
    /// these are for [`Level::search`] to do.
    #[inline(always)]
    pub(crate) fn take(&mut self, order: u32) -> Option<Taken> {
        match self.bins.first(order)? {
            (bin, group) if bin == order => self.cut::<false>(order, group, order),
            (WORD_ORDER, group) => self.cut::<false>(WORD_ORDER, group, order),
            _ => None,
        }
    }

    /// Does what [`Level::take`] does, however many looks it takes.
    pub(crate) fn search(&mut self, order: u32) -> Option<Taken> {
        loop {
            let groups = &*self.groups;
            let has = |bin, group: usize| groups.get(group).is_some_and(|g| g[slot(bin)] != 0);
            let (bin, group) = self.bins.search(order, has)?;
            if let Some(taken) = self.cut::<true>(bin, group, order) {
                return Some(taken);
            }
            self.correct(bin, group);
        }
    }

    /// Takes a run of order `order` from the first run of the group's first word in a bin, if it
    /// has one. Without `PIECES`, it is all of that run, or of a word of which all units are free.
    #[inline(always)]
    fn cut<const PIECES: bool>(&mut self, bin: u32, index: usize, order: u32) -> Option<Taken> {
        let group = self.groups.get_mut(index)?;
        let word = NonZeroU64::new(group[slot(bin)])?.trailing_zeros();
        let mask = &mut group[word as usize];
        let runs = NonZeroU64::new(maximal(*mask, bin, TOP))?;
        let at = runs.trailing_zeros();
        *mask &= !(RUN[order as usize % 8] << at);
        if bin < WORD_ORDER {
            if runs.is_power_of_two() {
                group[slot(bin)] &= !(1 << word);
                if group[slot(bin)] == 0 {
                    self.bins.clear(bin, index);
                }
            }
            for half in order..if PIECES { bin } else { order } {
                insert(&mut self.bins, group, half, index, word);
            }
        }
        Some(Taken {
            unit: (index * WORDS + word as usize) * 64 + at as usize,
            from: bin,
        })
    }

    /// Takes the group's first word in a bin, of which it has no run, out of there.
    fn correct(&mut self, bin: u32, index: usize) {
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let Some(word) = NonZeroU64::new(group[slot(bin)]).map(NonZeroU64::trailing_zeros) else {
            return;
        };
        group[slot(bin)] &= !(1 << word);
        if bin == WORD_ORDER {
            // All its units were free, and no bin was changed when runs were cut from it.
            let mask = group[word as usize];
            for order in (0..WORD_ORDER).filter(|&order| maximal(mask, order, TOP) != 0) {
                insert(&mut self.bins, group, order, index, word);
            }
        }
    }

    /// Gives back a run; the order of the free run it is part of now.
    #[inline(always)]
    pub(crate) fn give(&mut self, unit: usize, order: u32) -> u32 {
        let (index, word, at) = locate(unit);
        let group = &mut self.groups[index];
        let mask = group[word as usize] | RUN[order as usize % 8] << at;
        group[word as usize] = mask;
        let now = merged(mask, at, order, TOP);
        insert(&mut self.bins, group, now, index, word);
        now
    }

    /// Gives back a whole word, of which nothing is free; it is named by its first unit.
    pub(crate) fn open(&mut self, unit: usize) {
        let (index, word, _) = locate(unit);
        let group = &mut self.groups[index];
        group[word as usize] = u64::MAX;
        insert(&mut self.bins, group, TOP, index, word);
    }

    /// Takes a whole word that is free.
    pub(crate) fn close(&mut self, unit: usize) {
        let (index, word, _) = locate(unit);
        let group = &mut self.groups[index];
        group[word as usize] = 0;
        for bin in 0..=TOP {
            group[slot(bin)] &= !(1 << word);
            if group[slot(bin)] == 0 {
                self.bins.clear(bin, index);
            }
        }
    }
}

/// Where in a group a bin is.
#[inline(always)]
fn slot(bin: u32) -> usize {
    WORDS + bin as usize % BINS
}

/// A unit's group, word there and bit there.
#[inline(always)]
fn locate(unit: usize) -> (usize, u32, u32) {
    let word = unit / 64;
    (word / WORDS, (word % WORDS) as u32, (unit % 64) as u32)
}

/// Puts a word into a bin.
#[inline(always)]
fn insert(bins: &mut Bins, group: &mut [u64; GROUP], bin: u32, index: usize, word: u32) {
    let before = group[slot(bin)];
    group[slot(bin)] = before | 1 << word;
    if before == 0 {
        bins.set(bin, index);
    }
}
