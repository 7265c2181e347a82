//! Reference counts of blocks, and the state of a frame.

use crate::error::WrongFree;
use crate::frames::Frames;
use crate::record::{COUNT, ref_dec, ref_inc};
use crate::tag::{self, State};
use crate::{MAX_ORDER, Pfn};
use core::sync::atomic::Ordering;
use lock_api::RawMutex;

impl<R: RawMutex> Frames<R> {
    pub(crate) fn wrong(&self, frame: Pfn) -> WrongFree {
        WrongFree {
            frame,
            order: None,
            state: self.state(frame),
        }
    }

    /// Adds a reference to a block in use, named by its first frame. The caller has one.
    ///
    /// # Errors
    /// When no block in use starts at `frame`, or a compound one does: [`Frames::retain_block`] is for that.
    #[inline]
    pub fn retain(&self, frame: Pfn) -> Result<(), WrongFree> {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return Err(self.wrong(frame));
        };
        let old = tag.load(Ordering::Relaxed);
        match old & !0xf {
            tag::SHARED => {}
            // The count is zero. Others learn of the new reference after both changes. Of two that
            // retain at once, one changes the tag; a caller that finds any other tag had no reference.
            tag::LIVE => {
                let shared = old & 0xf | tag::SHARED;
                if !self.retag(index, old, shared) && tag.load(Ordering::Relaxed) != shared {
                    return Err(self.wrong(frame));
                }
            }
            _ => return Err(self.wrong(frame)),
        }
        ref_inc(count);
        Ok(())
    }

    /// Drops a reference; the last one frees the block, then the result is true.
    ///
    /// # Errors
    /// When no block in use starts at `frame`, or a compound one does: [`Frames::release_block`] is for that.
    #[inline]
    pub fn release(&self, cpu: usize, frame: Pfn) -> Result<bool, WrongFree> {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return Err(self.wrong(frame));
        };
        let old = tag.load(Ordering::Relaxed);
        match old & !0xf {
            tag::LIVE => {}
            tag::SHARED => {
                // Release, and acquire by the last one: what any holder did comes before the
                // frame's next use. The count never goes below zero: of too many releases at once
                // all but one find the tag changed.
                let left = count.fetch_update(Ordering::Release, Ordering::Acquire, ref_dec);
                if left.is_ok() {
                    return Ok(false);
                }
            }
            _ => return Err(self.wrong(frame)),
        }
        if !self.retag(index, old, tag::FREE) {
            return Err(self.wrong(frame));
        }
        self.do_free(cpu, index, usize::from(old & 0xf));
        Ok(true)
    }

    /// Drops a reference unless it is the last one; returns whether it did. If not, the caller sees what the
    /// others wrote before they dropped theirs.
    ///
    /// # Errors
    /// When no block in use starts at `frame`, or a compound one does.
    pub fn release_unless_last(&self, frame: Pfn) -> Result<bool, WrongFree> {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return Err(self.wrong(frame));
        };
        match tag.load(Ordering::Relaxed) & !0xf {
            tag::LIVE => Ok(false),
            tag::SHARED => Ok(count
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, ref_dec)
                .is_ok()),
            _ => Err(self.wrong(frame)),
        }
    }

    /// References to the block that starts at `frame`; 0 if no block in use does. A holder that sees 1 is
    /// the only one, and sees what others wrote before they gave up theirs.
    #[inline]
    pub fn refs(&self, frame: Pfn) -> u32 {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return 0;
        };
        match tag.load(Ordering::Relaxed) & !0xf {
            tag::LIVE => 1,
            tag::SHARED | tag::COMPOUND => (count.load(Ordering::Acquire) & COUNT) + 1,
            _ => 0,
        }
    }

    /// The state of a frame at this moment.
    pub fn state(&self, frame: Pfn) -> State {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return State::Outside;
        };
        let state = State::of(tag.load(Ordering::Relaxed), count.load(Ordering::Relaxed));
        if state == State::Free {
            self.block_around(index).unwrap_or(state)
        } else {
            state
        }
    }

    /// The block in use around a frame without a tag of its own.
    fn block_around(&self, index: usize) -> Option<State> {
        (1..=MAX_ORDER).find_map(|order| {
            let first = index & !((1 << order) - 1);
            let tag = self.tags.get(first)?.load(Ordering::Relaxed);
            match State::of(tag, 0) {
                State::Used { order: found, .. } | State::Compound { order: found, .. }
                    if first != index && found >= order =>
                {
                    Some(State::Inside {
                        offset: (index - first) as u32,
                        order: found,
                    })
                }
                _ => None,
            }
        })
    }
}
