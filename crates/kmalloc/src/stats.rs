//! Statistics. Collecting them does not walk the slabs.

use crate::class::{CLASSES, TABLE};
use crate::kmalloc::Kmalloc;
use crate::pages::Pages;
use core::fmt;
use core::hint::black_box;
use core::sync::atomic::Ordering;
use frames::FRAME_SIZE;
use lock_api::RawMutex;

/// Statistics of a size class. Not a snapshot: exact only if nobody allocates meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of an object.
    pub size: usize,
    /// Allocated objects.
    pub live: usize,
    /// Free objects in per-CPU magazines.
    pub cached: usize,
    /// Free objects in slabs.
    pub free: usize,
    /// Slabs, of a page each.
    pub slabs: usize,
}

impl ClassStats {
    /// Bytes of the slabs that are not in allocated objects.
    pub fn waste(&self) -> usize {
        (self.slabs * FRAME_SIZE).saturating_sub(self.live * self.size)
    }
}

/// The state of an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The size classes, smallest first.
    pub classes: [ClassStats; CLASSES],
    /// Allocated objects of a page each.
    pub page_objects: usize,
    /// Pages of slab descriptors.
    pub descriptor_pages: usize,
}

impl Stats {
    /// Allocated objects.
    pub fn live(&self) -> usize {
        self.page_objects + self.classes.iter().map(|class| class.live).sum::<usize>()
    }

    /// Pages, of objects and of descriptors.
    pub fn pages(&self) -> usize {
        let slabs: usize = self.classes.iter().map(|class| class.slabs).sum();
        self.page_objects + self.descriptor_pages + slabs
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "size     live  cached    free   pages  waste KiB")?;
        for class in self.classes.iter().filter(|class| class.slabs > 0) {
            let ClassStats {
                size,
                live,
                cached,
                free,
                slabs,
            } = class;
            let waste = class.waste().div_ceil(1024);
            writeln!(
                f,
                "{size:4} {live:8} {cached:7} {free:7} {slabs:7} {waste:10}"
            )?;
        }
        writeln!(
            f,
            "{FRAME_SIZE:4} {:8} {:7} {:7} {:7} {:10}",
            self.page_objects, 0, 0, self.page_objects, 0
        )?;
        let (live, pages) = (self.live(), self.pages());
        writeln!(
            f,
            "all {live:9} objects in {pages} pages, {} of them descriptors",
            self.descriptor_pages
        )
    }
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// Collects the statistics.
    #[cold]
    pub fn stats(&self) -> Stats {
        let mut classes = [ClassStats::default(); CLASSES];
        for cache in &self.caches {
            let cache = cache.lock();
            // Hides the length from the compiler, which would unroll the loop to a page of code.
            let classes = black_box(&mut classes[..]);
            for (index, class) in classes.iter_mut().enumerate() {
                class.cached += cache.len(index);
            }
        }
        for ((stats, class), slabs) in classes.iter_mut().zip(&TABLE).zip(&self.slabs) {
            let slabs = slabs.lock();
            stats.size = class.size;
            stats.free = slabs.free();
            stats.slabs = slabs.slabs();
            let objects = stats.slabs * class.objects;
            stats.live = objects.saturating_sub(stats.free + stats.cached);
        }
        Stats {
            classes,
            page_objects: self.page_objects.load(Ordering::Relaxed),
            descriptor_pages: self.pools.lock().iter().map(|pool| pool.pages()).sum(),
        }
    }
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// Pages, of objects and of descriptors; `None` if a lock is held.
    pub fn try_pages(&self) -> Option<usize> {
        let mut pages = self.page_objects.load(Ordering::Relaxed);
        for slabs in &self.slabs {
            pages += slabs.try_lock()?.slabs();
        }
        let pools = self.pools.try_lock()?;
        Some(pages + pools.iter().map(|pool| pool.pages()).sum::<usize>())
    }
}
