//! References to a block, and what a frame is.

use crate::error::WrongFree;
use crate::frames::Frames;
use crate::tag::{self, State};
use crate::{MAX_ORDER, Pfn};
use core::sync::atomic::{AtomicU32, Ordering};
use lock_api::RawMutex;

/// More references than this were lost count of; such a frame is never freed, instead of being
/// freed under somebody.
const MOST: u32 = u32::MAX / 2;
/// Where such a count is put.
const STUCK: u32 = MOST + MOST / 2;

/// A count of further references with one less; none when there are no further ones.
pub(crate) fn less_one(count: u32) -> Option<u32> {
    if count > MOST {
        Some(STUCK)
    } else {
        count.checked_sub(1)
    }
}

/// Counts one further reference.
#[inline]
pub(crate) fn one_more(count: &AtomicU32) {
    if count.fetch_add(1, Ordering::Relaxed) > MOST {
        count.store(STUCK, Ordering::Relaxed);
    }
}

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
    /// When `frame` is not the first of a block in use, or of one for [`Frames::retain_block`].
    #[inline]
    pub fn retain(&self, frame: Pfn) -> Result<(), WrongFree> {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return Err(self.wrong(frame));
        };
        let old = tag.load(Ordering::Relaxed);
        match old & !0xf {
            tag::SHARED => {}
            // The count is zero. The new reference becomes known to others after both changes. Of two
            // that share at once one changes the tag; who finds anything else has no reference.
            tag::LIVE => {
                let shared = old & 0xf | tag::SHARED;
                if !self.retag(index, old, shared) && tag.load(Ordering::Relaxed) != shared {
                    return Err(self.wrong(frame));
                }
            }
            _ => return Err(self.wrong(frame)),
        }
        one_more(count);
        Ok(())
    }

    /// Gives up a reference; with the last one the block is freed, which is the result.
    ///
    /// # Errors
    /// When `frame` is not the first of a block in use, or of one for [`Frames::release_block`].
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
                let left = count.fetch_update(Ordering::Release, Ordering::Acquire, |others| {
                    let left = others.checked_sub(1)?;
                    Some(if others > MOST { STUCK } else { left })
                });
                if left.is_ok() {
                    return Ok(false);
                }
            }
            _ => return Err(self.wrong(frame)),
        }
        if !self.retag(index, old, tag::FREE) {
            return Err(self.wrong(frame));
        }
        self.put(cpu, index, usize::from(old & 0xf));
        Ok(true)
    }

    /// References to the block that starts at `frame`; 0 when none in use does. Who sees 1 and holds
    /// that reference has the block for itself, and sees what others wrote before they gave it up.
    #[inline]
    pub fn refs(&self, frame: Pfn) -> u32 {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return 0;
        };
        match tag.load(Ordering::Relaxed) & !0xf {
            tag::LIVE => 1,
            tag::SHARED | tag::WHOLE => count.load(Ordering::Acquire).saturating_add(1),
            _ => 0,
        }
    }

    /// What `frame` is at this moment.
    pub fn state(&self, frame: Pfn) -> State {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return State::Outside;
        };
        let state = State::of(tag.load(Ordering::Relaxed), count.load(Ordering::Relaxed));
        if state == State::Free {
            self.around(index).unwrap_or(state)
        } else {
            state
        }
    }

    /// The block in use that a frame without a tag of its own is inside of.
    fn around(&self, index: usize) -> Option<State> {
        (1..=MAX_ORDER).find_map(|order| {
            let first = index & !((1 << order) - 1);
            let tag = self.tags.get(first)?.load(Ordering::Relaxed);
            match State::of(tag, 0) {
                State::Used { order: found, .. } | State::Whole { order: found, .. }
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
