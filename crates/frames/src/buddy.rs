//! The buddy allocator: free blocks of frame indices, kept in bit masks outside the frames.
//!
//! Orders 0 to 5 are runs of bits in words of 64 frames, orders 6 to 10 runs of bits in words of 64
//! such words. A block is cut from the fullest word that holds it, at the lowest address of those,
//! so that large blocks stay in one piece.

use crate::MAX_ORDER;
use crate::counts::Counts;
use crate::level::{Level, Taken};
use crate::word::WORD_ORDER;

/// No frame at all.
const NO_SPARE: usize = usize::MAX;

pub(crate) type Low = Level<WORD_ORDER>;
pub(crate) type High = Level<{ MAX_ORDER as u32 - WORD_ORDER }>;

/// Free blocks of frame indices.
pub(crate) struct Buddy {
    low: Low,
    high: High,
    /// The first frame of the one word on the low level of which all frames are free, if there is one: the
    /// next small block may need it at once. It moves up when another word becomes free or a large block
    /// is asked for.
    spare: usize,
    free: usize,
    least_free: usize,
    counts: Counts,
}

impl Buddy {
    /// Nothing free.
    pub(crate) fn new(low: Low, high: High) -> Buddy {
        Buddy {
            low,
            high,
            spare: NO_SPARE,
            free: 0,
            least_free: 0,
            counts: Counts::NONE,
        }
    }

    /// Takes a block of `order`; its first index. None also for large blocks and when a small one is
    /// not found at once, for [`Buddy::take_slowly`].
    #[inline(always)]
    pub(crate) fn take(&mut self, order: usize) -> Option<usize> {
        if order >= WORD_ORDER as usize {
            return None;
        }
        let taken = self.low.take(order as u32)?;
        Some(self.taken(taken, order as u32))
    }

    /// Takes a block of `order`, at most [`MAX_ORDER`]; its first index.
    pub(crate) fn take_slowly(&mut self, order: usize) -> Option<usize> {
        let order = order as u32;
        if order < WORD_ORDER {
            let taken = self.low.search(order).or_else(|| {
                self.open()?;
                self.low.search(order)
            })?;
            return Some(self.taken(taken, order));
        }
        self.close();
        let large = order - WORD_ORDER;
        let taken = self.high.take(large).or_else(|| self.high.search(large))?;
        self.counts.split(taken.from + WORD_ORDER, order);
        self.less(1 << order);
        Some(taken.unit * 64)
    }

    /// Counts a small block that was taken; its first index.
    #[inline(always)]
    fn taken(&mut self, taken: Taken, order: u32) -> usize {
        if taken.from == WORD_ORDER {
            self.spare = NO_SPARE;
        }
        self.counts.split(taken.from, order);
        self.less(1 << order);
        taken.unit
    }

    /// Fills the start of `out` with single frames, in runs as far as there are any; how many.
    pub(crate) fn take_singles(&mut self, out: &mut [u32]) -> usize {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..)
            && let Some(most) = room.len().checked_ilog2()
        {
            let order = self.low.smallest().min(most).min(WORD_ORDER - 1);
            let order = order as usize;
            let Some(first) = self.take(order).or_else(|| self.take_slowly(order)) else {
                break;
            };
            for (slot, index) in room[..1 << order].iter_mut().zip(first..) {
                *slot = index as u32;
            }
            filled += 1 << order;
        }
        filled
    }

    /// Gives back a block.
    #[inline(always)]
    pub(crate) fn give(&mut self, index: usize, order: usize) {
        let order = order as u32;
        self.free += 1 << order;
        if order >= WORD_ORDER {
            self.give_large(index / 64, order);
            return;
        }
        let now = self.low.give(index, order);
        self.counts.join(order, now);
        if now == WORD_ORDER {
            let before = core::mem::replace(&mut self.spare, index & !63);
            if before != NO_SPARE {
                self.move_up(before);
            }
        }
    }

    #[inline(never)]
    fn give_large(&mut self, word: usize, order: u32) {
        let now = WORD_ORDER + self.high.give(word, order - WORD_ORDER);
        self.counts.join(order, now);
    }

    /// Brings a free word down to the low level, where there is no other one.
    #[inline(never)]
    fn open(&mut self) -> Option<()> {
        let taken = self.high.search(0)?;
        self.low.open(taken.unit * 64);
        self.spare = taken.unit * 64;
        self.counts.split(taken.from + WORD_ORDER, WORD_ORDER);
        self.counts.join(WORD_ORDER, WORD_ORDER);
        Some(())
    }

    /// Moves a word of which all frames are free up from the low level.
    #[inline(never)]
    fn move_up(&mut self, first: usize) {
        self.low.close(first);
        self.counts.split(WORD_ORDER, WORD_ORDER);
        self.give_large(first / 64, WORD_ORDER);
    }

    /// Leaves no word on the low level of which all frames are free.
    fn close(&mut self) {
        let first = core::mem::replace(&mut self.spare, NO_SPARE);
        if first != NO_SPARE {
            self.move_up(first);
        }
    }

    /// Counts frames that are no longer free.
    #[inline]
    fn less(&mut self, frames: usize) {
        self.free -= frames;
        if self.free < self.least_free {
            self.least_free = self.free;
        }
    }

    /// Restarts the low-water mark.
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
    pub(crate) fn blocks(&mut self) -> [usize; MAX_ORDER + 1] {
        self.close();
        self.counts.get()
    }
}
