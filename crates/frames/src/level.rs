//! A row of words, each in the bins of the runs it may have.

use crate::bins::Bins;
use crate::word::{RUN, WORD_ORDER, alone, merged};
use core::num::NonZeroU64;

/// Units in words of 64, where runs have an order of at most `TOP` units.
///
/// A word with anything free is in a bin of its largest run's order or above, and may be in others.
/// When runs are taken the word stays where it is, until it is found there and has no such run or
/// has nothing left, so that taking and giving in turn costs nothing.
pub(crate) struct Level<const TOP: u32> {
    masks: &'static mut [u64],
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
    /// A level with nothing free; all memory zeroed.
    pub(crate) fn new(masks: &'static mut [u64], bits: &'static mut [u64]) -> Level<TOP> {
        let bins = Bins::new(bits);
        Level { masks, bins }
    }

    /// Takes a run of order `order` from the smallest run that holds it, the first one of those.
    /// None also if that takes more than one look, for [`Level::search`] to do.
    #[inline(always)]
    pub(crate) fn take(&mut self, order: u32) -> Option<Taken> {
        let (class, word) = self.bins.glance(order)?;
        self.cut(class, word, order)
    }

    /// Does what [`Level::take`] does, however many looks it takes.
    pub(crate) fn search(&mut self, order: u32) -> Option<Taken> {
        loop {
            let (class, word) = self.bins.first(order)?;
            if let Some(taken) = self.cut(class, word, order) {
                return Some(taken);
            }
            self.correct(class, word);
        }
    }

    /// Takes a run of order `order` from the first run of order `class` in a word, if it has any.
    #[inline(always)]
    fn cut(&mut self, class: u32, word: usize, order: u32) -> Option<Taken> {
        let mask = self.masks.get_mut(word)?;
        let runs = NonZeroU64::new(alone(*mask, class, TOP))?;
        let at = runs.trailing_zeros();
        *mask &= !(RUN[order as usize % 8] << at);
        if class < WORD_ORDER {
            if runs.is_power_of_two() {
                self.bins.remove(class, word);
            }
            for half in order..class {
                self.bins.insert(half, word);
            }
        }
        Some(Taken {
            unit: word * 64 + at as usize,
            from: class,
        })
    }

    /// Takes a word out of the bin of an order of which it has no run.
    fn correct(&mut self, class: u32, word: usize) {
        self.bins.remove(class, word);
        if class == WORD_ORDER
            && let Some(&mask) = self.masks.get(word)
        {
            // It was free as a whole, and nothing was said of it when runs were cut from it.
            for order in (0..WORD_ORDER).filter(|&order| alone(mask, order, TOP) != 0) {
                self.bins.insert(order, word);
            }
        }
    }

    /// The order of the smallest run, or a smaller one.
    #[inline]
    pub(crate) fn smallest(&self) -> u32 {
        self.bins.smallest()
    }

    /// Gives back a run; the order of the free run it is part of now.
    #[inline(always)]
    pub(crate) fn give(&mut self, unit: usize, order: u32) -> u32 {
        let (word, at) = (unit / 64, (unit % 64) as u32);
        let mask = self.masks[word] | RUN[order as usize % 8] << at;
        self.masks[word] = mask;
        let now = merged(mask, at, order, TOP);
        self.bins.insert(now, word);
        now
    }

    /// Gives back a whole word that has nothing free.
    pub(crate) fn open(&mut self, word: usize) {
        self.masks[word] = u64::MAX;
        self.bins.insert(TOP, word);
    }

    /// Takes a whole word that is free.
    pub(crate) fn close(&mut self, word: usize) {
        self.masks[word] = 0;
        self.bins.clear(word);
    }
}
