//! The shrinker: frees memory under memory pressure.

use crate::class::TABLE;
use crate::kmalloc::Kmalloc;
use crate::object::{BATCH, Objects};
use crate::pages::Pages;
use crate::slab_cache::Emptied;
use frames::Shrinker;
use lock_api::RawMutex;

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// Empties all magazines and frees all empty slabs; returns the number of freed pages.
    pub fn drain(&self) -> usize {
        // No CPU's cache, so that all CPUs can allocate the pages.
        let cpu = usize::MAX;
        let mut pages = 0;
        for (index, (class, slabs)) in TABLE.iter().zip(&self.slabs).enumerate() {
            for cache in &self.caches {
                loop {
                    let mut objects = Objects::new();
                    cache.lock().move_oldest(index, &mut objects, BATCH);
                    if objects.len() == 0 {
                        break;
                    }
                    pages += self.give(cpu, index, class, &objects, true);
                }
            }
            let mut spare = Emptied::new();
            let kept = slabs.lock().give_spare(class);
            kept.map(|slab| spare.push(slab));
            pages += self.retire(cpu, index, class, &spare);
        }
        pages
    }
}

impl<R: RawMutex + Sync, P: Pages + Sync, const CPUS: usize> Shrinker for Kmalloc<R, P, CPUS> {
    fn shrink(&self, _wanted: usize) -> usize {
        self.drain()
    }

    /// The spare empty slabs. What emptying the magazines would free is not known beforehand.
    fn reclaimable(&self) -> usize {
        let spare = self.slabs.iter().filter(|slabs| slabs.lock().has_spare());
        spare.count()
    }
}
