//! Compound blocks: large blocks that several holders share, and that each of them may split into single
//! frames.
//!
//! A holder of such a block has a reference to each of its frames. While the block is compound, one count
//! stands for all of them (as in Linux's compound pages); splitting copies it, and the label, to each frame.
//! A holder need not know whether another one has split the block: the functions here do the right thing
//! either way.
//!
//! A compound block has a tag of its own. The tag, and the count beside it, change only under the lock
//! [`Frames::compound`]: without it, another holder could split the block between a look at the tag and the
//! change of the count. The functions for other blocks take no lock and refuse compound ones. The frames of
//! a split block are single frames. It stays split while somebody besides the one who would join it has a
//! reference, so its frames are counted after the lock is released.

use crate::error::WrongFree;
use crate::frames::Frames;
use crate::record::{COUNT, ref_dec, ref_inc};
use crate::tag::{self, State};
use crate::{MAX_ORDER, Pfn};
use core::sync::atomic::{AtomicU32, Ordering, fence};
use lock_api::RawMutex;

impl<R: RawMutex> Frames<R> {
    /// A block of `1 << order` frames with one reference, if one is free at this moment: nobody is
    /// asked to give memory back for it, and the CPUs' caches are not emptied. Above order
    /// 0 it is compound: [`Frames::split`], [`Frames::retain_block`] and [`Frames::release_block`] are
    /// for it, and `free`, `release` and `retain` refuse it until it is split.
    pub fn try_alloc(&self, order: usize) -> Option<Pfn> {
        if order > MAX_ORDER {
            return None;
        }
        let index = self.buddy.lock().take_slowly(order)?;
        if order == 0 {
            return Some(self.hand_out(index, 0, 0));
        }
        let mut blocks = self.compound.lock();
        let block = self.frame(index);
        self.label(block, 0);
        self.set_tag(index, tag::COMPOUND | order as u8);
        *blocks += 1;
        Some(block)
    }

    /// Compound blocks in use.
    pub fn compound_blocks(&self) -> usize {
        *self.compound.lock()
    }

    fn wrong_block(&self, frame: Pfn, order: usize) -> WrongFree {
        WrongFree {
            frame,
            order: Some(order),
            state: self.state(frame),
        }
    }

    fn set_tag(&self, index: usize, to: u8) {
        if let Some(tag) = self.tags.get(index) {
            tag.store(to, Ordering::Relaxed);
        }
    }

    /// The frames of the block.
    fn each(frame: Pfn, order: usize) -> impl Iterator<Item = Pfn> {
        (0..1 << order.min(MAX_ORDER)).map(move |n| frame.plus(n))
    }

    /// The count of the block that starts at `frame` if it is compound, none if it was split. It stays
    /// compound while the lock is held.
    ///
    /// # Errors
    /// When `frame` is the first of neither.
    fn compound_count(&self, frame: Pfn, order: usize) -> Result<Option<&AtomicU32>, WrongFree> {
        match self.state(frame) {
            State::Compound { order: found, .. } if found == order => {
                Ok(self.counts.get(self.index(frame)).map(|count| &**count))
            }
            State::Used { order: 0, .. } if order <= MAX_ORDER => Ok(None),
            _ => Err(self.wrong_block(frame, order)),
        }
    }

    /// Does `operation` to each frame of a block that was split, up to one that is not a single frame.
    fn each_single(
        &self,
        frame: Pfn,
        order: usize,
        operation: impl Fn(Pfn) -> Result<(), WrongFree>,
    ) -> Result<(), WrongFree> {
        Self::each(frame, order).try_for_each(|frame| {
            self.compound_count(frame, 0)?;
            operation(frame)
        })
    }

    /// Adds a reference to each frame of a block that the caller holds, split or not.
    ///
    /// # Errors
    /// When no such block starts at `frame`; or when, of a split one, a frame is not a single one
    /// in use, and then the frames before that one have the reference.
    #[inline(never)]
    pub fn retain_block(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let blocks = self.compound.lock();
        if let Some(count) = self.compound_count(frame, order)? {
            ref_inc(count);
            return Ok(());
        }
        drop(blocks);
        self.each_single(frame, order, |frame| self.retain(frame))
    }

    /// Gives up a reference to each frame of a block that the caller holds, split or not.
    ///
    /// # Errors
    /// When no such block starts at `frame`; or when, of a split one, a frame is not a single one
    /// in use, and then the frames before that one are without the reference.
    #[inline(never)]
    pub fn release_block(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut blocks = self.compound.lock();
        let Some(count) = self.compound_count(frame, order)? else {
            drop(blocks);
            return self.each_single(frame, order, |frame| self.release(cpu, frame).map(drop));
        };
        let left = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, ref_dec);
        if left.is_err() {
            let index = self.index(frame);
            self.set_tag(index, tag::FREE);
            *blocks = blocks.saturating_sub(1);
            drop(blocks);
            self.do_free(cpu, index, order);
        }
        Ok(())
    }

    /// Whether the caller, who holds the block, split or not, is the only one to hold any frame of
    /// it. What others wrote before they gave it up is visible then.
    #[inline(never)]
    pub fn is_block_unique(&self, frame: Pfn, order: usize) -> bool {
        let blocks = self.compound.lock();
        match self.compound_count(frame, order) {
            Ok(Some(_)) => return self.refs(frame) == 1,
            Ok(None) => drop(blocks),
            Err(_) => return false,
        }
        Self::each(frame, order).all(|frame| self.refs(frame) == 1)
    }

    /// Splits a block that the caller holds into single frames, each with as many references as the
    /// block had. Does nothing to one that was split before.
    ///
    /// # Errors
    /// When `frame` is the first of no compound block of this order, nor a single frame.
    #[inline(never)]
    pub fn split(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut blocks = self.compound.lock();
        let Some(count) = self.compound_count(frame, order)? else {
            return Ok(());
        };
        let record = count.load(Ordering::Relaxed);
        let single = if record & COUNT == 0 {
            tag::LIVE
        } else {
            tag::SHARED
        };
        for index in Self::each(frame, order).map(|frame| self.index(frame)) {
            if let Some(count) = self.counts.get(index) {
                count.store(record, Ordering::Relaxed);
            }
            self.set_tag(index, single);
        }
        *blocks = blocks.saturating_sub(1);
        Ok(())
    }

    /// Joins single frames into a compound block, if the caller, who has a reference to each, is the only
    /// one to have any; whether it was. A block of order 0 stays the single frame it is.
    ///
    /// # Errors
    /// When `frame` cannot be the first of a block of this order.
    #[inline(never)]
    pub fn join(&self, frame: Pfn, order: usize) -> Result<bool, WrongFree> {
        let mut blocks = self.compound.lock();
        let first = self.index(frame);
        let inside = first..first.wrapping_add(1 << order.min(MAX_ORDER));
        let aligned = order <= MAX_ORDER && frame.get().is_multiple_of(1 << order);
        let (true, Some(tags)) = (aligned, self.tags.get(inside)) else {
            return Err(self.wrong_block(frame, order));
        };
        let unique = |frame| self.state(frame) == State::Used { order: 0, refs: 1 };
        if !Self::each(frame, order).all(unique) {
            return Ok(false);
        }
        // What others did before they gave their references up comes before what the caller does now.
        fence(Ordering::Acquire);
        if order > 0 {
            // Their counts are zero.
            for tag in tags {
                tag.store(tag::FREE, Ordering::Relaxed);
            }
            self.set_tag(first, tag::COMPOUND | order as u8);
            *blocks += 1;
        }
        Ok(true)
    }
}
