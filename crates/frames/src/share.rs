//! References to a block, marks of the object allocator, and what a frame is.

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

    /// Marks a single frame in use, with one reference, as the object allocator's: `mark`, below
    /// 128, is for it to choose, [`Frames::word`] to use, and `free` and `release` refuse the frame.
    ///
    /// # Errors
    /// When `frame` is not a single frame in use that was never shared.
    #[inline]
    pub fn mark(&self, frame: Pfn, mark: u8) -> Result<(), WrongFree> {
        if self.retag(self.index(frame), tag::LIVE, tag::MARKED | mark) {
            return Ok(());
        }
        Err(self.wrong(frame))
    }

    /// Takes the mark away again, and clears the frame's word. Of two at the same time, one fails.
    ///
    /// # Errors
    /// When `frame` does not have this mark.
    #[inline]
    pub fn unmark(&self, frame: Pfn, mark: u8) -> Result<(), WrongFree> {
        if !self.retag(self.index(frame), tag::MARKED | mark, tag::RESERVED) {
            return Err(self.wrong(frame));
        }
        // Nobody else's in between: the word is cleared before it counts references again.
        let index = self.index(frame);
        if let (Some(tag), Some(word)) = (self.tags.get(index), self.counts.get(index)) {
            word.store(0, Ordering::Relaxed);
            tag.store(tag::LIVE, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The mark of a frame that has one.
    #[inline]
    pub fn marked(&self, frame: Pfn) -> Option<u8> {
        let tag = self.tags.get(self.index(frame))?.load(Ordering::Relaxed);
        (tag & tag::MARKED != 0).then_some(tag & !tag::MARKED)
    }

    /// A word for whoever marked the frame, 0 at first. While the frame has no mark it counts
    /// references, and only its one owner may change it, right before [`Frames::mark`]. None outside
    /// of managed memory.
    #[inline]
    pub fn word(&self, frame: Pfn) -> Option<&AtomicU32> {
        self.counts.get(self.index(frame)).map(|word| &**word)
    }

    /// The mark and the word, at once, of the frame that is `index` frames from
    /// [`Frames::first`]; 128 or more for no mark.
    #[inline(always)]
    pub fn mark_and_word(&self, index: usize) -> (usize, u32) {
        match (self.tags.get(index), self.counts.get(index)) {
            (Some(tag), Some(word)) => (
                usize::from(tag.load(Ordering::Relaxed)) ^ usize::from(tag::MARKED),
                word.load(Ordering::Relaxed),
            ),
            _ => (usize::MAX, 0),
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
