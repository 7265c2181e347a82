//! Large blocks that several holders share and that any of them may part into single frames.
//!
//! Whoever holds such a block holds a reference to each of its frames. As long as nobody looks at a
//! part of it, one count stands for them all; parting gives every frame that count as its own. A
//! holder need not know whether another one has parted the block: the verbs here do the right thing
//! in either state, under a lock, for between a look at the tag and a change of a count another
//! holder could part the block.

use crate::error::WrongFree;
use crate::frames::Frames;
use crate::share::less_one;
use crate::tag;
use crate::{MAX_ORDER, Pfn};
use core::sync::atomic::Ordering;
use lock_api::RawMutex;

impl<R: RawMutex> Frames<R> {
    /// A block of `1 << order` frames with one reference, if one is free at this moment: nobody is
    /// asked to give memory back for it, and none is cut from what the CPUs' caches hold. It is to be
    /// given back by [`Frames::release_block`].
    pub fn try_alloc(&self, order: usize) -> Option<Pfn> {
        if order > MAX_ORDER {
            return None;
        }
        let index = self.shared.lock().take_slowly(order)?;
        *self.parting.lock() += 1;
        Some(self.hand_out(index, order))
    }

    /// Blocks from [`Frames::try_alloc`] and [`Frames::join`] that are in use and whole.
    pub fn whole_blocks(&self) -> usize {
        *self.parting.lock()
    }

    fn wrong_block(&self, frame: Pfn, order: usize) -> WrongFree {
        WrongFree {
            frame,
            order: Some(order),
            state: self.state(frame),
        }
    }

    /// The frames of the block.
    fn each(frame: Pfn, order: usize) -> impl Iterator<Item = Pfn> {
        (0..1 << order.min(MAX_ORDER)).map(move |n| frame.plus(n))
    }

    /// Whether a block of this order that is in use starts here and has not been parted.
    fn is_whole(&self, frame: Pfn, order: usize) -> bool {
        let tag = self.tags.get(self.index(frame));
        let whole = |tag: u8| tag == tag::LIVE | order as u8 || tag == tag::SHARED | order as u8;
        order <= MAX_ORDER && tag.is_some_and(|tag| whole(tag.load(Ordering::Relaxed)))
    }

    /// Adds a reference to each frame of a block that the caller holds, parted or not.
    ///
    /// # Errors
    /// When a frame is not in use; the frames before it have the reference then.
    #[inline(never)]
    pub fn retain_block(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let _parting = self.parting.lock();
        if self.is_whole(frame, order) {
            return self.retain(frame);
        }
        Self::each(frame, order).try_for_each(|frame| self.retain(frame))
    }

    /// Gives up a reference to each frame of a block that the caller holds, parted or not.
    ///
    /// # Errors
    /// When a frame is not in use; the frames before it are without the reference then.
    #[inline(never)]
    pub fn release_block(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut parting = self.parting.lock();
        let whole = self.is_whole(frame, order);
        if whole && self.release_unless_last(frame)? {
            return Ok(());
        }
        *parting -= usize::from(whole);
        // Parted for good, or the caller's alone: nobody else can change that any more.
        drop(parting);
        if whole {
            return self.release(cpu, frame).map(drop);
        }
        Self::each(frame, order).try_for_each(|frame| self.release(cpu, frame).map(drop))
    }

    /// Whether the caller, who holds the block, parted or not, is the only one to hold any frame of
    /// it. What others wrote before they gave it up is visible then.
    #[inline(never)]
    pub fn is_block_unique(&self, frame: Pfn, order: usize) -> bool {
        let _parting = self.parting.lock();
        if self.is_whole(frame, order) {
            return self.refs(frame) == 1;
        }
        Self::each(frame, order).all(|frame| self.refs(frame) == 1)
    }

    /// Makes single frames of a block that the caller holds: each has as many references as the
    /// block had. One that was parted before stays as it is.
    ///
    /// # Errors
    /// When `frame` is neither such a block nor a single frame.
    #[inline(never)]
    pub fn part(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut parting = self.parting.lock();
        let first = self.index(frame);
        if self.is_whole(frame, 0) {
            return Ok(());
        }
        let inside = first..first.wrapping_add(1 << order.min(MAX_ORDER));
        let (true, Some(tags), Some(counts)) = (
            self.is_whole(frame, order),
            self.tags.get(inside.clone()),
            self.counts.get(inside),
        ) else {
            return Err(self.wrong_block(frame, order));
        };
        let more = counts
            .first()
            .map_or(0, |count| count.load(Ordering::Relaxed));
        let single = if more == 0 { tag::LIVE } else { tag::SHARED };
        for (tag, count) in tags.iter().zip(counts) {
            count.store(more, Ordering::Relaxed);
            tag.store(single, Ordering::Relaxed);
        }
        *parting = parting.saturating_sub(1);
        Ok(())
    }

    /// Makes a whole block of single frames, if the caller, who has a reference to each, is the only
    /// one to have any. Tells whether it was.
    ///
    /// # Errors
    /// When `frame` cannot be the first of a block of this order.
    #[inline(never)]
    pub fn join(&self, frame: Pfn, order: usize) -> Result<bool, WrongFree> {
        let mut parting = self.parting.lock();
        let first = self.index(frame);
        let inside = first..first.wrapping_add(1 << order.min(MAX_ORDER));
        let aligned = order <= MAX_ORDER && frame.get().is_multiple_of(1 << order);
        let (true, Some(tags), Some(counts)) = (
            aligned,
            self.tags.get(inside.clone()),
            self.counts.get(inside),
        ) else {
            return Err(self.wrong_block(frame, order));
        };
        let single = |frame| self.is_whole(frame, 0) && self.refs(frame) == 1;
        if !Self::each(frame, order).all(single) {
            return Ok(false);
        }
        for (tag, count) in tags.iter().zip(counts) {
            count.store(0, Ordering::Relaxed);
            tag.store(tag::FREE, Ordering::Relaxed);
        }
        self.hand_out(first, order);
        *parting += 1;
        Ok(true)
    }

    /// Gives up a reference if others have one too; otherwise the caller keeps it, is the only
    /// holder, and sees what the others wrote before. Tells whether it was given up.
    ///
    /// # Errors
    /// When `frame` is not the first of a block in use.
    pub fn release_unless_last(&self, frame: Pfn) -> Result<bool, WrongFree> {
        let index = self.index(frame);
        let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) else {
            return Err(self.wrong(frame));
        };
        match tag.load(Ordering::Relaxed) & !0xf {
            tag::LIVE => Ok(false),
            tag::SHARED => Ok(count
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, less_one)
                .is_ok()),
            _ => Err(self.wrong(frame)),
        }
    }
}
