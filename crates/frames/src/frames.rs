//! The allocator: a tag for each frame, a cache of frames for each CPU, and the buddy allocator behind them.

use crate::atomic::Contended;
use crate::buddy::Buddy;
use crate::cache::{BATCH, Cache};
use crate::error::{OutOfMemory, WrongFree};
use crate::layout::Layout;
use crate::reclaim::{Reclaim, Shrinker};
use crate::tag::{self, State};
use crate::{MAX_ORDER, Pfn, record};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};
use lock_api::{Mutex, RawMutex};

/// CPUs that can have a cache of their own.
pub const MAX_CPUS: usize = 8;

/// An allocator of page frames.
///
/// Blocks of `1 << order` frames, order 0 to [`MAX_ORDER`], aligned to their size. `R` is the lock
/// of each CPU's cache, of the buddy allocator, and of compound blocks. A CPU's lock may be held while the
/// buddy allocator's is taken, never the other way round; the third is taken alone; and none is held while
/// a [`Shrinker`] runs. So locks held together are taken in ascending order of address, which a checker of
/// locks can go by. An allocator that interrupt handlers use needs an `R` that keeps interrupts off.
///
/// The `cpu` that calls take is a hint which cache to use: any number is safe, the number of the
/// CPU that the caller runs on is fast, and a number beyond those of [`Frames::new`] uses none.
#[repr(C)]
pub struct Frames<R: RawMutex> {
    /// The number of the first frame that has records.
    base: usize,
    total: usize,
    cpus: usize,
    pub(crate) tags: &'static [Contended<AtomicU8>],
    /// For a marked frame, its word. Otherwise the references beyond the first one, zero unless the tag is
    /// shared or compound, and the label in the high bits.
    pub(crate) counts: &'static [Contended<AtomicU32>],
    caches: [Mutex<R, Cache>; MAX_CPUS],
    pub(crate) buddy: Mutex<R, Buddy>,
    pub(crate) reclaim: Reclaim<R>,
    /// The number of compound blocks. The lock is held while a block's compound tag is set, removed or
    /// relied on, and while the count beside it changes.
    pub(crate) compound: Mutex<R, usize>,
}

impl<R: RawMutex> Frames<R> {
    /// An allocator over `layout`, with caches for the CPUs 0 to `cpus`, [`MAX_CPUS`] at most.
    /// `metadata` is at least [`Layout::metadata_bytes`] long and lies in none of the layout's free
    /// memory; its contents do not matter. None when it is too short.
    pub fn new(layout: &Layout, metadata: &'static mut [u64], cpus: usize) -> Option<Frames<R>> {
        let records = layout.build(metadata)?;
        let cpus = cpus.min(MAX_CPUS);
        let cache = |cpu| {
            if cpu < cpus {
                Cache::EMPTY
            } else {
                Cache::NONE
            }
        };
        Some(Frames {
            base: records.base as usize,
            total: records.buddy.free(),
            cpus,
            tags: records.tags,
            counts: records.counts,
            caches: core::array::from_fn(|cpu| Mutex::new(cache(cpu))),
            buddy: Mutex::new(records.buddy),
            reclaim: Reclaim::new(),
            compound: Mutex::new(0),
        })
    }

    /// The index of a frame's records: below the number of tags if it is managed.
    #[inline]
    pub(crate) fn index(&self, frame: Pfn) -> usize {
        (frame.get() as usize).wrapping_sub(self.base)
    }

    /// The number of the first frame that has records.
    #[inline(always)]
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    #[inline]
    pub(crate) fn frame(&self, index: usize) -> Pfn {
        Pfn::new(self.base.wrapping_add(index) as u32)
    }

    /// The caches in use.
    pub(crate) fn caches(&self) -> &[Mutex<R, Cache>] {
        self.caches.get(..self.cpus).unwrap_or(&[])
    }

    /// A block of `1 << order` frames with one reference, its contents as they were left.
    ///
    /// # Errors
    /// When there is none, after the shrinkers were asked and the CPUs' caches emptied; always for
    /// an order above [`MAX_ORDER`].
    #[inline]
    pub fn alloc(&self, cpu: usize, order: usize) -> Result<Pfn, OutOfMemory> {
        self.alloc_labelled(cpu, order, 0)
    }

    /// As [`alloc`](Self::alloc), with a label, which is less than [`LABELS`](crate::LABELS).
    ///
    /// # Errors
    /// As for `alloc`.
    #[inline]
    pub fn alloc_labelled(&self, cpu: usize, order: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        if order != 0 {
            return self.alloc_block(cpu, order, label);
        }
        let Some(cache) = self.caches.get(cpu) else {
            return self.alloc_uncached(cpu, label);
        };
        let popped = cache.lock().pop();
        match popped {
            Some(index) => Ok(self.hand_out(index, 0, label)),
            None => self.alloc_refill(cpu, label),
        }
    }

    #[inline]
    pub(crate) fn hand_out(&self, index: usize, order: usize, label: u8) -> Pfn {
        if let (Some(tag), Some(record)) = (self.tags.get(index), self.counts.get(index)) {
            record.store(record::new(label), Ordering::Relaxed);
            tag.store(tag::LIVE | order as u8, Ordering::Relaxed);
        }
        self.frame(index)
    }

    /// Refills the CPU's empty cache, and allocates a frame.
    #[inline(never)]
    fn alloc_refill(&self, cpu: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        let Some(cache) = self.caches().get(cpu) else {
            return self.alloc_uncached(cpu, label);
        };
        let mut cache = cache.lock();
        if cache.len() == 0 {
            cache.refill(&mut self.buddy.lock());
        }
        let index = cache.pop();
        drop(cache);
        match index {
            Some(index) => Ok(self.hand_out(index, 0, label)),
            None => self.alloc_reclaim(cpu, 0, label),
        }
    }

    /// Allocates a single frame from the buddy allocator. As [`alloc_block`](Self::alloc_block), but the
    /// constant order makes the code shorter.
    #[inline(never)]
    fn alloc_uncached(&self, cpu: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        let index = self.buddy.lock().take(0);
        match index {
            Some(index) => Ok(self.hand_out(index, 0, label)),
            None => self.alloc_slow(cpu, 0, label),
        }
    }

    /// A block from the buddy allocator.
    #[inline(never)]
    fn alloc_block(&self, cpu: usize, order: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        let index = self.buddy.lock().take(order);
        match index {
            Some(index) => Ok(self.hand_out(index, order, label)),
            None => self.alloc_slow(cpu, order, label),
        }
    }

    #[inline(never)]
    fn alloc_slow(&self, cpu: usize, order: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        if order > MAX_ORDER {
            return Err(OutOfMemory);
        }
        let index = self.buddy.lock().take_slowly(order);
        match index {
            Some(index) => Ok(self.hand_out(index, order, label)),
            None => self.alloc_reclaim(cpu, order, label),
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_reclaim(&self, cpu: usize, order: usize, label: u8) -> Result<Pfn, OutOfMemory> {
        let wanted = BATCH.max(1 << order);
        let cached = || self.caches.get(cpu)?.lock().pop();
        let take = || {
            let index = if order == 0 { cached() } else { None };
            index.or_else(|| self.buddy.lock().take_slowly(order))
        };
        let index = self
            .reclaim_and_retry(cpu, wanted, take)
            .ok_or(OutOfMemory)?;
        Ok(self.hand_out(index, order, label))
    }

    /// Reclaims memory, and calls `take` again after each shrinker and after the CPUs' caches are drained.
    pub(crate) fn reclaim_and_retry<T>(
        &self,
        cpu: usize,
        wanted: usize,
        mut take: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let reclaimed = self.reclaim.shrink_until(cpu, wanted, &mut take);
        reclaimed.or_else(|| {
            // Drained frames may go into another CPU's cache before `take` gets them.
            for _ in 0..MAX_CPUS {
                let moved = self.drain_caches();
                let taken = take();
                if taken.is_some() {
                    return taken;
                }
                if moved == 0 {
                    break;
                }
            }
            self.reclaim.failed();
            None
        })
    }

    /// Frees a block that has no other reference. Of two calls at the same time, one fails.
    ///
    /// # Errors
    /// When `frame` is not a block of that order in use, or has more references or a mark.
    #[inline]
    pub fn free(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let index = self.index(frame);
        if order == 0 && self.retag(index, tag::LIVE, tag::FREE) {
            self.free_single(cpu, index);
        } else if (1..=MAX_ORDER).contains(&order)
            && self.retag(index, tag::LIVE | order as u8, tag::FREE)
        {
            self.free_block(index, order);
        } else {
            return self.free_slow(cpu, frame, order);
        }
        Ok(())
    }

    /// Frees a block that was shared before; otherwise reports the error.
    #[cold]
    fn free_slow(&self, cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree> {
        let state = self.state(frame);
        let shared = tag::SHARED | (order & 0xf) as u8;
        if state == (State::Used { order, refs: 1 })
            && self.retag(self.index(frame), shared, tag::FREE)
        {
            // What the other holders did comes before the block's next use.
            fence(Ordering::Acquire);
            self.do_free(cpu, self.index(frame), order);
            return Ok(());
        }
        Err(WrongFree {
            frame,
            order: Some(order),
            state,
        })
    }

    /// Changes a tag from `from` to `to`; returns false if it was another.
    #[inline]
    pub(crate) fn retag(&self, index: usize, from: u8, to: u8) -> bool {
        self.tags.get(index).is_some_and(|tag| {
            tag.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Frees a block whose tag is `FREE` already.
    #[inline]
    pub(crate) fn do_free(&self, cpu: usize, index: usize, order: usize) {
        match order {
            0 => self.free_single(cpu, index),
            _ => self.free_block(index, order),
        }
    }

    #[inline]
    fn free_single(&self, cpu: usize, index: usize) {
        let Some(cache) = self.caches.get(cpu) else {
            return self.free_uncached(index);
        };
        let pushed = cache.lock().push(index);
        if !pushed {
            self.free_spill(cpu, index);
        }
    }

    /// Frees a frame to the CPU's cache, after a batch of it was moved to the buddy allocator.
    #[inline(never)]
    fn free_spill(&self, cpu: usize, index: usize) {
        let Some(cache) = self.caches().get(cpu) else {
            return self.free_uncached(index);
        };
        let mut cache = cache.lock();
        if !cache.push(index) {
            cache.spill(&mut self.buddy.lock());
            cache.push(index);
        }
    }

    #[inline(never)]
    fn free_uncached(&self, index: usize) {
        self.buddy.lock().give(index, 0);
    }

    #[inline(never)]
    fn free_block(&self, index: usize, order: usize) {
        self.buddy.lock().give(index, order);
    }

    /// Drains the CPUs' caches to the buddy allocator, where frames can merge; returns how many there were.
    pub fn drain_caches(&self) -> usize {
        let mut moved = 0;
        for cache in self.caches() {
            let mut cache = cache.lock();
            if cache.len() > 0 {
                moved += cache.len();
                cache.drain(&mut self.buddy.lock());
            }
        }
        moved
    }

    /// Registers a shrinker, which is called before an allocation fails, in order of registration; false if
    /// there are [`MAX_SHRINKERS`](crate::MAX_SHRINKERS) already.
    pub fn register_shrinker(&self, shrinker: &'static dyn Shrinker) -> bool {
        self.reclaim.register(shrinker)
    }

    /// Calls every shrinker for all it has, and drains the CPUs' caches; returns how many frames the shrinkers
    /// freed.
    #[cold]
    pub fn shrink_all(&self) -> usize {
        let freed = self.reclaim.shrink_all();
        self.drain_caches();
        freed
    }

    /// The first frame that has records, at or a little below the lowest one that is managed.
    pub fn first(&self) -> Pfn {
        self.frame(0)
    }

    /// Frames that are managed, free or not.
    pub fn total(&self) -> usize {
        self.total
    }
}
