//! Large blocks that several holders share and that any of them may part into single frames.
//!
//! Whoever holds such a block holds a reference to each of its frames. As long as nobody looks at a
//! part of it, one count stands for them all; parting gives every frame that count as its own. A
//! holder need not know whether another one has parted the block: the verbs here do the right thing
//! in either state.
//!
//! A whole block has a tag of its own. That tag and the count beside it change only under the lock
//! [`Frames::whole`], for between a look at the tag and a change of the count another holder could
//! part the block; the verbs for other blocks, which take no lock, refuse it. Of a block that was
//! parted each frame is like any other, and it stays parted while somebody besides the one who would
//! join it has a reference; so its frames are counted after the lock was let go.

use crate::error::WrongFree;
use crate::frames::Frames;
use crate::share::{less_one, one_more};
use crate::tag::{self, State};
use crate::{MAX_ORDER, Pfn};
use core::sync::atomic::{AtomicU32, Ordering, fence};
use lock_api::RawMutex;

impl<R: RawMutex> Frames<R> {
    /// A block of `1 << order` frames with one reference, if one is free at this moment: nobody is
    /// asked to give memory back for it, and none is cut from what the CPUs' caches hold. Above order
    /// 0 it is whole: [`Frames::part`], [`Frames::retain_block`] and [`Frames::release_block`] are
    /// for it, and `free`, `release` and `retain` refuse it until it is parted.
    pub fn try_alloc(&self, order: usize) -> Option<Pfn> {
        if order > MAX_ORDER {
            return None;
        }
        let index = self.shared.lock().take_slowly(order)?;
        if order == 0 {
            return Some(self.hand_out(index, 0));
        }
        let mut whole = self.whole.lock();
        self.set_tag(index, tag::WHOLE | order as u8);
        *whole += 1;
        Some(self.frame(index))
    }

    /// Blocks from [`Frames::try_alloc`] and [`Frames::join`] that are in use and whole.
    pub fn whole_blocks(&self) -> usize {
        *self.whole.lock()
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

    /// The count of the block that starts at `frame` if it is whole, none if it was parted. The lock
    /// must be held for the first to stay so.
    ///
    /// # Errors
    /// When `frame` is the first of neither.
    fn count_of_whole(&self, frame: Pfn, order: usize) -> Result<Option<&AtomicU32>, WrongFree> {
        match self.state(frame) {
            State::Whole { order: found, .. } if found == order => {
                Ok(self.counts.get(self.index(frame)).map(|count| &**count))
            }
            State::Used { order: 0, .. } if order <= MAX_ORDER => Ok(None),
            _ => Err(self.wrong_block(frame, order)),
        }
    }

    /// Does `verb` to each frame of a block that was parted, up to one that is not a single frame.
    fn each_single(
        &self,
        frame: Pfn,
        order: usize,
        verb: impl Fn(Pfn) -> Result<(), WrongFree>,
    ) -> Result<(), WrongFree> {
        Self::each(frame, order).try_for_each(|frame| {
            self.count_of_whole(frame, 0)?;
            verb(frame)
        })
    }

    /// Adds a reference to each frame of a block that the caller holds, parted or not.
    ///
    /// # Errors
    /// When no such block starts at `frame`; or when, of a parted one, a frame is not a single one
    /// in use, and then the frames before that one have the reference.
    #[inline(never)]
    pub fn retain_block(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let whole = self.whole.lock();
        if let Some(count) = self.count_of_whole(frame, order)? {
            one_more(count);
            return Ok(());
        }
        drop(whole);
        self.each_single(frame, order, |frame| self.retain(frame))
    }

    /// Gives up a reference to each frame of a block that the caller holds, parted or not.
    ///
    /// # Errors
    /// When no such block starts at `frame`; or when, of a parted one, a frame is not a single one
    /// in use, and then the frames before that one are without the reference.
    #[inline(never)]
    pub fn release_block(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut whole = self.whole.lock();
        let Some(count) = self.count_of_whole(frame, order)? else {
            drop(whole);
            return self.each_single(frame, order, |frame| self.release(cpu, frame).map(drop));
        };
        let left = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, less_one);
        if left.is_err() {
            let index = self.index(frame);
            self.set_tag(index, tag::FREE);
            *whole = whole.saturating_sub(1);
            drop(whole);
            self.put(cpu, index, order);
        }
        Ok(())
    }

    /// Whether the caller, who holds the block, parted or not, is the only one to hold any frame of
    /// it. What others wrote before they gave it up is visible then.
    #[inline(never)]
    pub fn is_block_unique(&self, frame: Pfn, order: usize) -> bool {
        let whole = self.whole.lock();
        match self.count_of_whole(frame, order) {
            Ok(Some(_)) => return self.refs(frame) == 1,
            Ok(None) => drop(whole),
            Err(_) => return false,
        }
        Self::each(frame, order).all(|frame| self.refs(frame) == 1)
    }

    /// Makes single frames of a block that the caller holds: each has as many references as the
    /// block had. One that was parted before stays as it is.
    ///
    /// # Errors
    /// When `frame` is the first of no whole block of this order, nor a single frame.
    #[inline(never)]
    pub fn part(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut whole = self.whole.lock();
        let Some(count) = self.count_of_whole(frame, order)? else {
            return Ok(());
        };
        let more = count.load(Ordering::Relaxed);
        let single = if more == 0 { tag::LIVE } else { tag::SHARED };
        for index in Self::each(frame, order).map(|frame| self.index(frame)) {
            if let Some(count) = self.counts.get(index) {
                count.store(more, Ordering::Relaxed);
            }
            self.set_tag(index, single);
        }
        *whole = whole.saturating_sub(1);
        Ok(())
    }

    /// Makes a whole block of single frames, if the caller, who has a reference to each, is the only
    /// one to have any. Tells whether it was. A block of order 0 stays the single frame it is.
    ///
    /// # Errors
    /// When `frame` cannot be the first of a block of this order.
    #[inline(never)]
    pub fn join(&self, frame: Pfn, order: usize) -> Result<bool, WrongFree> {
        let mut whole = self.whole.lock();
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
        let unique = |frame| self.state(frame) == State::Used { order: 0, refs: 1 };
        if !Self::each(frame, order).all(unique) {
            return Ok(false);
        }
        // What others did before they gave their references up comes before what the caller does now.
        fence(Ordering::Acquire);
        if order > 0 {
            for (tag, count) in tags.iter().zip(counts) {
                count.store(0, Ordering::Relaxed);
                tag.store(tag::FREE, Ordering::Relaxed);
            }
            self.set_tag(first, tag::WHOLE | order as u8);
            *whole += 1;
        }
        Ok(true)
    }

    /// Gives up a reference to a block that cannot be parted, or to a single frame, if others have
    /// one too; otherwise the caller keeps it, is the only holder, and sees what the others wrote
    /// before. Tells whether it was given up.
    ///
    /// # Errors
    /// When `frame` is not the first of such a block in use.
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
