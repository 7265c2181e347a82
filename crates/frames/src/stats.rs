//! Statistics, none of which takes a walk over the frames.

use crate::frames::{Frames, MAX_CPUS};
use crate::{FRAME_SIZE, MAX_ORDER};
use core::fmt;
use lock_api::RawMutex;

/// The state of an allocator, in frames unless said. The numbers are read one after the other: they
/// are exact if nobody allocates meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Managed, free or not.
    pub total: usize,
    /// Free, those in CPUs' caches among them.
    pub free: usize,
    /// Free in each CPU's cache.
    pub cached: [usize; MAX_CPUS],
    /// Free blocks of each order; frames in CPUs' caches are in none.
    pub blocks: [usize; MAX_ORDER + 1],
    /// The fewest free frames that there ever were outside of CPUs' caches.
    pub least_free: usize,
    /// Allocations that entered reclaim (Linux: `allocstall`).
    pub stalls: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// What the registered shrinkers say they could give back.
    pub reclaimable: usize,
}

impl Stats {
    /// In use.
    pub fn used(&self) -> usize {
        self.total.saturating_sub(self.free)
    }

    /// The most that were ever in use or in CPUs' caches.
    pub fn most_used(&self) -> usize {
        self.total.saturating_sub(self.least_free)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached: usize = self.cached.iter().sum();
        writeln!(
            f,
            "frames: {} in all, {} used, {} free",
            self.total,
            self.used(),
            self.free
        )?;
        writeln!(
            f,
            "of the free: {cached} in CPU caches; fewest ever outside of them: {}",
            self.least_free
        )?;
        writeln!(
            f,
            "allocations that had to wait for memory: {}, that failed: {}",
            self.stalls, self.failed
        )?;
        writeln!(f, "order  KiB  free blocks")?;
        for (order, blocks) in self.blocks.iter().enumerate() {
            writeln!(
                f,
                "{order:5} {:4} {blocks:12}",
                (FRAME_SIZE << order) / 1024
            )?;
        }
        Ok(())
    }
}

impl<R: RawMutex> Frames<R> {
    /// Free frames, those in CPUs' caches among them.
    pub fn free_count(&self) -> usize {
        self.cached_count() + self.buddy.lock().free()
    }

    /// Free frames in CPUs' caches.
    pub fn cached_count(&self) -> usize {
        self.caches().iter().map(|cache| cache.lock().len()).sum()
    }

    /// Free blocks of each order; frames in CPUs' caches are in none.
    pub fn free_blocks(&self) -> [usize; MAX_ORDER + 1] {
        self.buddy.lock().blocks()
    }

    /// All numbers but what the shrinkers could give back, if the locks are free.
    pub fn try_stats(&self) -> Option<Stats> {
        let mut cached = [0; MAX_CPUS];
        for (sum, cache) in cached.iter_mut().zip(self.caches()) {
            *sum = cache.try_lock()?.len();
        }
        let (stalls, failed) = self.reclaim.counts();
        let mut buddy = self.buddy.try_lock()?;
        Some(Stats {
            total: self.total(),
            free: cached.iter().sum::<usize>() + buddy.free(),
            cached,
            blocks: buddy.blocks(),
            least_free: buddy.least_free(),
            stalls,
            failed,
            reclaimable: 0,
        })
    }

    /// All numbers.
    #[cold]
    pub fn stats(&self) -> Stats {
        let mut cached = [0; MAX_CPUS];
        for (sum, cache) in cached.iter_mut().zip(self.caches()) {
            *sum = cache.lock().len();
        }
        let reclaimable = self.reclaim.reclaimable();
        let (stalls, failed) = self.reclaim.counts();
        let mut buddy = self.buddy.lock();
        Stats {
            total: self.total(),
            free: cached.iter().sum::<usize>() + buddy.free(),
            cached,
            blocks: buddy.blocks(),
            least_free: buddy.least_free(),
            stalls,
            failed,
            reclaimable,
        }
    }
}
