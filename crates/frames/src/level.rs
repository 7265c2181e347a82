//! A row of words, each in the bins of the runs it may have.

use crate::bins::Bins;
use crate::word::{RUN, largest, merged, runs};
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
        let bins = Bins::new(bits, masks.len());
        Level { masks, bins }
    }

    /// Takes a run of order `order`: the first one in the first word of the smallest bin that has
    /// any. None also if that takes more than one look, for [`Level::search`] to do.
    #[inline(always)]
    pub(crate) fn take(&mut self, order: u32) -> Option<Taken> {
        let (class, word) = self.bins.glance(order)?;
        let mask = *self.masks.get(word)?;
        self.cut(class, word, mask, order)
    }

    /// Does what [`Level::take`] does, however many looks it takes. The words that turn out to have
    /// no such run go to the bin that they belong to.
    pub(crate) fn search(&mut self, order: u32) -> Option<Taken> {
        loop {
            let (class, word) = self.bins.first(order)?;
            let mask = *self.masks.get(word)?;
            if let Some(taken) = self.cut(class, word, mask, order) {
                return Some(taken);
            }
            self.bins.remove(class, word);
            if let Some(now) = largest(mask) {
                self.bins.insert(now.min(TOP), word);
            }
        }
    }

    /// Cuts the first run of order `order` out of a word.
    #[inline(always)]
    fn cut(&mut self, class: u32, word: usize, mask: u64, order: u32) -> Option<Taken> {
        let at = NonZeroU64::new(runs(mask, order))?.trailing_zeros();
        let from = merged(mask, at, order, TOP);
        self.set(class, word, mask & !(RUN[order as usize % 8] << at));
        let unit = word * 64 + at as usize;
        Some(Taken { unit, from })
    }

    /// Takes single units from the first word of the smallest bin, as many as it has and `out` has
    /// room for; how many. `cut` is told of each run that was cut from which, and how much of it.
    #[inline]
    pub(crate) fn take_singles(
        &mut self,
        out: &mut [u32],
        mut cut: impl FnMut(u32, u32),
    ) -> Option<usize> {
        let (class, word) = self.bins.glance(0).or_else(|| self.bins.first(0))?;
        let mut mask = *self.masks.get(word)?;
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..)
            && mask != 0
            && let Some(most) = room.len().checked_ilog2()
        {
            // The lowest free unit is the first of its run.
            let at = mask.trailing_zeros();
            let from = merged(mask, at, 0, TOP);
            let order = from.min(most);
            mask &= !(RUN[order as usize % 8] << at);
            cut(from, order);
            for (slot, unit) in room[..1 << order].iter_mut().zip(word * 64 + at as usize..) {
                *slot = unit as u32;
            }
            filled += 1 << order;
        }
        self.set(class, word, mask);
        Some(filled)
    }

    /// Changes a word to what is left of it.
    #[inline]
    fn set(&mut self, class: u32, word: usize, mask: u64) {
        self.masks[word] = mask;
        if mask == 0 {
            self.bins.clear(class, word);
        }
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
        self.set(TOP, word, 0);
    }
}
