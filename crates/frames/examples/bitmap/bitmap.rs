//! A page allocator as one would write it first: a bitmap of the free frames, a byte and a count for
//! each frame, and one lock around it all. It has the functions of [`frames::Frames`], but those for labels,
//! and does the same, slower: an example of what another allocator has to bring to take its place.
#![allow(dead_code, reason = "a kernel needs all of it")]

use super::bits::Bits;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use frames::{
    Layout, MAX_CPUS, MAX_ORDER, Marks, OutOfMemory, Pfn, Shrinker, State, Stats, WrongFree,
};
use lock_api::{Mutex, MutexGuard, RawMutex};
use zerocopy::{FromBytes, IntoBytes};

/// Not the allocator's. Lower tags are marks of the object allocator.
const RESERVED: u8 = 0x80;
/// No first frame of a block in use: free, or inside of one.
pub(crate) const NONE: u8 = 0x81;
/// The first frame of a block in use that has one reference; the order in the low bits.
pub(crate) const USED: u8 = 0x90;
/// The same of one that had more at some time since.
pub(crate) const SHARED: u8 = 0xa0;
/// The same of a block that can be split.
pub(crate) const COMPOUND: u8 = 0xc0;
const MAX_SHRINKERS: usize = 8;

/// The allocator.
pub struct Bitmap<R: RawMutex> {
    /// The frame of the first bit, a multiple of the largest block.
    base: u32,
    total: usize,
    /// References beyond the first one, or the word of a marked frame.
    counts: &'static [AtomicU32],
    pub(crate) inner: Mutex<R, Inner>,
    shrinkers: Mutex<R, [Option<&'static dyn Shrinker>; MAX_SHRINKERS]>,
    /// A bit for each CPU that asks them.
    in_reclaim: AtomicU32,
    stalls: AtomicUsize,
    failed: AtomicUsize,
}

/// A block in use; see [`Bitmap::own`].
type Own<'a, R> = (MutexGuard<'a, R, Inner>, usize, u32);

/// What the lock guards.
pub(crate) struct Inner {
    bits: Bits,
    tags: &'static mut [u8],
    free: usize,
    least_free: usize,
    pub(crate) compound: usize,
}

impl Inner {
    fn tag(&self, index: usize) -> u8 {
        self.tags.get(index).copied().unwrap_or(RESERVED)
    }

    pub(crate) fn set(&mut self, index: usize, tag: u8) {
        if let Some(place) = self.tags.get_mut(index) {
            *place = tag;
        }
    }

    pub(crate) fn take(&mut self, order: usize, kind: u8) -> Option<usize> {
        let index = (order <= MAX_ORDER).then(|| self.bits.find(order))??;
        self.bits.set(index, order, false);
        self.set(index, kind | order as u8);
        self.free -= 1 << order;
        self.least_free = self.least_free.min(self.free);
        Some(index)
    }

    pub(crate) fn give(&mut self, index: usize) {
        let order = usize::from(self.tag(index) & 0xf);
        self.set(index, NONE);
        self.bits.set(index, order, true);
        self.free += 1 << order;
    }
}

impl<R: RawMutex> Bitmap<R> {
    /// As [`frames::Frames::new`]; there are no caches for CPUs.
    pub fn new(layout: &Layout, metadata: &'static mut [u64], _cpus: usize) -> Option<Bitmap<R>> {
        let filled = || layout.usable.iter().filter(|range| range.start < range.end);
        let first = filled().map(|range| range.start.get()).min().unwrap_or(0);
        let last = filled().map(|range| range.end.get()).max().unwrap_or(0);
        let base = first - first % (1 << MAX_ORDER);
        let frames = ((last - base) as usize).next_multiple_of(64);

        metadata.fill(0);
        let (bits, rest) = metadata.split_at_mut_checked(frames / 64)?;
        let (counts, rest) = rest.split_at_mut_checked(frames / 2)?;
        let (tags, _) = rest.split_at_mut_checked(frames / 8)?;
        let mut bits = Bits(bits);
        let tags = tags.as_mut_bytes();
        tags.fill(RESERVED);
        let holds = |ranges: &[Range<Pfn>], pfn| ranges.iter().any(|range| range.contains(&pfn));
        let mut total = 0;
        for (index, tag) in tags.iter_mut().enumerate() {
            let pfn = Pfn::new(base + index as u32);
            if holds(layout.usable, pfn) && !holds(layout.reserved, pfn) {
                bits.set(index, 0, true);
                *tag = NONE;
                total += 1;
            }
        }
        Some(Bitmap {
            base,
            total,
            counts: <[AtomicU32]>::mut_from_bytes(counts.as_mut_bytes()).ok()?,
            inner: Mutex::new(Inner {
                bits,
                tags,
                free: total,
                least_free: total,
                compound: 0,
            }),
            shrinkers: Mutex::new([None; MAX_SHRINKERS]),
            in_reclaim: AtomicU32::new(0),
            stalls: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        })
    }

    pub(crate) fn index(&self, frame: Pfn) -> usize {
        (frame.get() as usize).wrapping_sub(self.base as usize)
    }

    pub(crate) fn frame(&self, index: usize) -> Pfn {
        Pfn::new(self.base + index as u32)
    }

    /// References to the frame beyond the first one.
    pub(crate) fn more(&self, index: usize) -> u32 {
        let count = self.counts.get(index);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn set_more(&self, index: usize, more: u32) {
        if let Some(count) = self.counts.get(index) {
            count.store(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn look(&self, inner: &Inner, index: usize) -> State {
        let tag = inner.tag(index);
        let (order, refs) = (usize::from(tag & 0xf), self.more(index).saturating_add(1));
        match tag {
            _ if index >= self.counts.len() => State::Outside,
            RESERVED => State::Reserved,
            NONE if inner.bits.get(index) => State::Free,
            NONE => {
                let mut before = (1..=index).filter(|offset| inner.tag(index - offset) != NONE);
                let offset = before.next().unwrap_or(0);
                let order = usize::from(inner.tag(index - offset) & 0xf);
                let offset = offset as u32;
                State::Inside { offset, order }
            }
            mark if mark < RESERVED => State::Marked(mark),
            tag if tag >= COMPOUND => State::Compound { order, refs },
            tag if tag >= SHARED => State::Used { order, refs },
            _ => State::Used { order, refs: 1 },
        }
    }

    pub(crate) fn wrong(&self, inner: &Inner, frame: Pfn, order: Option<usize>) -> WrongFree {
        let state = self.look(inner, self.index(frame));
        WrongFree {
            frame,
            order,
            state,
        }
    }

    /// The block in use that starts at `frame`, of this order if one is named: with the lock held, its
    /// index and the references beyond the first. None that can be split.
    fn own(&self, frame: Pfn, order: Option<usize>) -> Result<Own<'_, R>, WrongFree> {
        let inner = self.inner.lock();
        let index = self.index(frame);
        let tag = inner.tag(index);
        let fits = order.is_none_or(|order| order == usize::from(tag & 0xf));
        match tag & 0xf0 {
            USED if fits => Ok((inner, index, 0)),
            SHARED if fits => Ok((inner, index, self.more(index))),
            _ => Err(self.wrong(&inner, frame, order)),
        }
    }

    /// A block with one reference.
    pub fn alloc(&self, cpu: usize, order: usize) -> Result<Pfn, OutOfMemory> {
        let take = || self.inner.lock().take(order, USED);
        let index = take().or_else(|| self.reclaim_and_retry(cpu, 1 << order.min(MAX_ORDER), take));
        index.map(|index| self.frame(index)).ok_or(OutOfMemory)
    }

    /// Asks the shrinkers one after the other, with no lock held.
    fn reclaim_and_retry<T>(
        &self,
        cpu: usize,
        wanted: usize,
        take: impl Fn() -> Option<T>,
    ) -> Option<T> {
        self.stalls.fetch_add(1, Ordering::Relaxed);
        let bit = 1 << cpu.min(31);
        let mut taken = None;
        if self.in_reclaim.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            taken = self.each_shrinker().find_map(|shrinker| {
                shrinker.shrink(wanted);
                take()
            });
            self.in_reclaim.fetch_and(!bit, Ordering::Relaxed);
        }
        self.failed
            .fetch_add(usize::from(taken.is_none()), Ordering::Relaxed);
        taken
    }

    fn each_shrinker(&self) -> impl Iterator<Item = &'static dyn Shrinker> {
        (0..MAX_SHRINKERS).map_while(|i| self.shrinkers.lock().get(i).copied().flatten())
    }

    /// Adds a shrinker; false when there is no room.
    pub fn register_shrinker(&self, shrinker: &'static dyn Shrinker) -> bool {
        let mut list = self.shrinkers.lock();
        let place = list.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(shrinker)).is_some()
    }

    /// Asks all shrinkers for all they have.
    pub fn shrink_all(&self) -> usize {
        self.each_shrinker()
            .map(|shrinker| shrinker.shrink(usize::MAX))
            .sum()
    }

    /// Gives back a block without other references.
    pub fn free(&self, _cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let (mut inner, index, more) = self.own(frame, Some(order))?;
        if more > 0 {
            return Err(self.wrong(&inner, frame, Some(order)));
        }
        inner.give(index);
        Ok(())
    }

    /// One more reference.
    pub fn retain(&self, frame: Pfn) -> Result<(), WrongFree> {
        let (mut inner, index, more) = self.own(frame, None)?;
        let order = inner.tag(index) & 0xf;
        inner.set(index, SHARED | order);
        self.set_more(index, more.saturating_add(1));
        Ok(())
    }

    /// One reference less; whether it was the last.
    pub fn release(&self, _cpu: usize, frame: Pfn) -> Result<bool, WrongFree> {
        let (mut inner, index, more) = self.own(frame, None)?;
        match more.checked_sub(1) {
            Some(left) => self.set_more(index, left),
            None => inner.give(index),
        }
        Ok(more == 0)
    }

    /// One reference less, unless it is the last; whether it was given up.
    pub fn release_unless_last(&self, frame: Pfn) -> Result<bool, WrongFree> {
        let (_inner, index, more) = self.own(frame, None)?;
        if more > 0 {
            self.set_more(index, more - 1);
        }
        Ok(more > 0)
    }

    /// References to the block that starts at `frame`.
    pub fn refs(&self, frame: Pfn) -> u32 {
        match self.state(frame) {
            State::Used { refs, .. } | State::Compound { refs, .. } => refs,
            _ => 0,
        }
    }

    /// What a frame is.
    pub fn state(&self, frame: Pfn) -> State {
        self.look(&self.inner.lock(), self.index(frame))
    }

    /// Frames that are managed.
    pub fn total(&self) -> usize {
        self.total
    }

    /// All numbers.
    pub fn stats(&self) -> Stats {
        let reclaimable = self.each_shrinker().map(Shrinker::reclaimable).sum();
        Stats {
            reclaimable,
            ..self.numbers(&self.inner.lock())
        }
    }

    /// All but what the shrinkers could give back, if the lock is free.
    pub fn try_stats(&self) -> Option<Stats> {
        Some(self.numbers(&*self.inner.try_lock()?))
    }

    fn numbers(&self, inner: &Inner) -> Stats {
        Stats {
            total: self.total,
            free: inner.free,
            cached: [0; MAX_CPUS],
            blocks: inner.bits.blocks(),
            least_free: inner.least_free,
            stalls: self.stalls.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            reclaimable: 0,
        }
    }

    /// Free frames.
    pub fn free_count(&self) -> usize {
        self.inner.lock().free
    }

    /// Free blocks of each order.
    pub fn free_blocks(&self) -> [usize; MAX_ORDER + 1] {
        self.inner.lock().bits.blocks()
    }

    /// Blocks that can be split.
    pub fn compound_blocks(&self) -> usize {
        self.inner.lock().compound
    }

    /// No CPU has frames to itself.
    pub fn drain_caches(&self) -> usize {
        0
    }
}

impl<R: RawMutex> Marks for Bitmap<R> {
    fn mark(&self, frame: Pfn, mark: u8, word: u32) -> Result<(), WrongFree> {
        let (mut inner, index, _) = self.own(frame, None)?;
        if inner.tag(index) != USED || mark >= RESERVED {
            return Err(self.wrong(&inner, frame, None));
        }
        self.set_more(index, word);
        inner.set(index, mark);
        Ok(())
    }

    fn remark(&self, frame: Pfn, from: u8, to: u8) -> Result<(), WrongFree> {
        let mut inner = self.inner.lock();
        let index = self.index(frame);
        if inner.tag(index) != from || from.max(to) >= RESERVED {
            return Err(self.wrong(&inner, frame, None));
        }
        inner.set(index, to);
        Ok(())
    }

    fn unmark(&self, frame: Pfn, mark: u8) -> Result<(), WrongFree> {
        let mut inner = self.inner.lock();
        let index = self.index(frame);
        if inner.tag(index) != mark || mark >= RESERVED {
            return Err(self.wrong(&inner, frame, None));
        }
        self.set_more(index, 0);
        inner.set(index, USED);
        Ok(())
    }

    fn mark_and_word(&self, number: usize) -> (usize, u32) {
        let inner = self.inner.lock();
        let index = number.wrapping_sub(self.base as usize);
        (inner.tag(index).into(), self.more(index))
    }
}
