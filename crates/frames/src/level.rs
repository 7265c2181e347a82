//! A row of words, each in the bin of the largest run it has.

use crate::bins::Bins;
use crate::word::{RUN, WORD_ORDER, best_fit, largest, merged};

/// Units in words of 64, where runs have an order of at most `TOP` units. Where `TOP` is one below
/// the order of a word, a word that becomes free as a whole leaves the level: its owner moves it one
/// level up.
pub(crate) struct Level<const TOP: u32> {
    masks: &'static mut [u64],
    /// The bin each word is in, plus one; 0 for a word in no bin, which has nothing free.
    classes: &'static mut [u8],
    bins: Bins,
}

/// What [`Level::take`] took.
pub(crate) struct Taken {
    /// The first unit.
    pub(crate) unit: usize,
    /// The order of what was taken.
    pub(crate) order: u32,
    /// The order of the free run it was cut from.
    pub(crate) from: u32,
}

impl<const TOP: u32> Level<TOP> {
    /// Bins that a level needs.
    pub(crate) const CLASSES: usize = TOP as usize + 1;
    const LARGEST_MERGE: u32 = if TOP + 1 == WORD_ORDER {
        WORD_ORDER
    } else {
        TOP
    };

    /// A level with nothing free; all memory zeroed.
    pub(crate) fn new(
        masks: &'static mut [u64],
        classes: &'static mut [u8],
        bits: &'static mut [u64],
    ) -> Level<TOP> {
        let bins = Bins::new(bits, masks.len(), Self::CLASSES);
        Level {
            masks,
            classes,
            bins,
        }
    }

    /// Takes a run of at least order `least`, of the smallest order there is, and no more than
    /// order `most` of it.
    #[inline]
    pub(crate) fn take(&mut self, least: u32, most: u32) -> Option<Taken> {
        let (class, word) = self.bins.first(least)?;
        let mask = self.masks[word];
        let (at, from) = best_fit(mask, least, class)?;
        let order = from.min(most);
        let rest = mask & !(RUN[order as usize] << at);
        self.masks[word] = rest;
        if from == class {
            self.classify(word, class, rest);
        }
        Some(Taken {
            unit: word * 64 + at as usize,
            order,
            from,
        })
    }

    /// Moves a word of class `class`, from which one of its largest runs was taken, to the bin
    /// that it belongs to now.
    #[inline]
    fn classify(&mut self, word: usize, class: u32, mask: u64) {
        let now = largest(mask, class);
        if now == Some(class) {
            return;
        }
        self.bins.remove(class, word);
        self.classes[word] = now.map_or(0, |now| now as u8 + 1);
        if let Some(now) = now {
            self.bins.insert(now, word);
        }
    }

    /// Gives back a run; the order of the free run it is part of now. When that is a whole word,
    /// the word is no longer on this level.
    #[inline]
    pub(crate) fn give(&mut self, unit: usize, order: u32) -> u32 {
        let (word, at) = (unit / 64, (unit % 64) as u32);
        let mask = self.masks[word] | RUN[order as usize] << at;
        let now = merged(mask, at, order, Self::LARGEST_MERGE);
        let class = u32::from(self.classes[word]);
        if now >= WORD_ORDER {
            self.masks[word] = 0;
            self.classes[word] = 0;
            if class > 0 {
                self.bins.remove(class - 1, word);
            }
            return now;
        }
        self.masks[word] = mask;
        if now >= class {
            if class > 0 {
                self.bins.remove(class - 1, word);
            }
            self.classes[word] = now as u8 + 1;
            self.bins.insert(now, word);
        }
        now
    }

    /// Brings a word that is free as a whole to this level, its first run of order `order` taken.
    #[inline]
    pub(crate) fn open(&mut self, word: usize, order: u32) {
        self.masks[word] = !RUN[order as usize];
        self.classes[word] = TOP as u8 + 1;
        self.bins.insert(TOP, word);
    }
}
