//! Compound blocks, which several holders share and any of them may split, and many frames at once.
#![allow(dead_code, reason = "a kernel needs all of it")]

use super::bitmap::{Bitmap, COMPOUND, Inner, NONE, SHARED, USED};
use frames::{MAX_ORDER, OutOfMemory, Pfn, State, WrongFree};
use lock_api::RawMutex;

impl<R: RawMutex> Bitmap<R> {
    /// A block, if one is free; above order 0 one that can be split.
    pub fn try_alloc(&self, order: usize) -> Option<Pfn> {
        let mut inner = self.inner.lock();
        let kind = if order == 0 { USED } else { COMPOUND };
        let index = inner.take(order, kind)?;
        inner.compound += usize::from(order > 0);
        Some(self.frame(index))
    }

    /// Whether the block is compound; an error if it is neither that nor a single frame.
    fn is_compound(&self, inner: &Inner, frame: Pfn, order: usize) -> Result<bool, WrongFree> {
        match self.look(inner, self.index(frame)) {
            State::Compound { order: found, .. } if found == order => Ok(true),
            State::Used { order: 0, .. } if order <= MAX_ORDER => Ok(false),
            _ => Err(self.wrong(inner, frame, Some(order))),
        }
    }

    /// Does `verb` to each frame of a block that was split, up to one that is not a single frame.
    fn each_single(
        &self,
        frame: Pfn,
        order: usize,
        verb: impl Fn(Pfn) -> Result<(), WrongFree>,
    ) -> Result<(), WrongFree> {
        (0..1 << order)
            .map(|n| frame.plus(n))
            .try_for_each(|frame| {
                self.is_compound(&self.inner.lock(), frame, 0)?;
                verb(frame)
            })
    }

    /// One more reference to each frame of a block, split or not.
    pub fn retain_block(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let inner = self.inner.lock();
        if self.is_compound(&inner, frame, order)? {
            let index = self.index(frame);
            self.set_more(index, self.more(index).saturating_add(1));
            return Ok(());
        }
        drop(inner);
        self.each_single(frame, order, |frame| self.retain(frame))
    }

    /// One reference less to each frame of a block, split or not.
    pub fn release_block(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut inner = self.inner.lock();
        if !self.is_compound(&inner, frame, order)? {
            drop(inner);
            return self.each_single(frame, order, |frame| self.release(cpu, frame).map(drop));
        }
        let index = self.index(frame);
        match self.more(index).checked_sub(1) {
            Some(left) => self.set_more(index, left),
            None => {
                inner.give(index);
                inner.compound -= 1;
            }
        }
        Ok(())
    }

    /// Whether the caller is the only one to hold any frame of a block, split or not.
    pub fn is_block_unique(&self, frame: Pfn, order: usize) -> bool {
        let compound = self.is_compound(&self.inner.lock(), frame, order);
        let frames = match compound {
            Ok(true) => 1,
            Ok(false) => 1 << order,
            Err(_) => return false,
        };
        (0..frames).all(|n| self.refs(frame.plus(n)) == 1)
    }

    /// Makes single frames of a block, each with as many references as the block had.
    pub fn split(&self, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let mut inner = self.inner.lock();
        if !self.is_compound(&inner, frame, order)? {
            return Ok(());
        }
        let first = self.index(frame);
        let more = self.more(first);
        for index in first..first + (1 << order) {
            inner.set(index, if more == 0 { USED } else { SHARED });
            self.set_more(index, more);
        }
        inner.compound -= 1;
        Ok(())
    }

    /// Makes a block of single frames that nobody else has; whether it did.
    pub fn join(&self, frame: Pfn, order: usize) -> Result<bool, WrongFree> {
        let mut inner = self.inner.lock();
        let first = self.index(frame);
        if order > MAX_ORDER || !first.is_multiple_of(1 << order) {
            return Err(self.wrong(&inner, frame, Some(order)));
        }
        let block = first..first.wrapping_add(1 << order);
        let unique = |index| self.look(&inner, index) == State::Used { order: 0, refs: 1 };
        if !block.clone().all(unique) {
            return Ok(false);
        }
        if order > 0 {
            block.for_each(|index| inner.set(index, NONE));
            inner.set(first, COMPOUND | order as u8);
            inner.compound += 1;
        }
        Ok(true)
    }

    /// Fills `out` with single frames, or allocates none.
    pub fn alloc_bulk(&self, cpu: usize, out: &mut [Pfn]) -> Result<(), OutOfMemory> {
        for done in 0..out.len() {
            match self.alloc(cpu, 0) {
                Ok(frame) => out[done] = frame,
                Err(error) => {
                    // They are ours, so giving them back cannot fail.
                    let _ = self.free_bulk(&out[..done]);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Gives back single frames, up to the first that is none.
    pub fn free_bulk(&self, frames: &[Pfn]) -> Result<(), WrongFree> {
        frames.iter().try_for_each(|&frame| self.free(0, frame, 0))
    }
}
