//! Giving memory back when it is short.

use crate::class::TABLE;
use crate::kmalloc::Kmalloc;
use crate::object::{BATCH, Objects};
use crate::pages::Pages;
use crate::slab_cache::Emptied;
use frames::Shrinker;
use lock_api::RawMutex;

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// Empties all magazines and gives back all pages that hold no object; how many.
    pub fn drain(&self) -> usize {
        // No CPU in particular, so that the pages go where all can get them.
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

    /// The slabs that are kept empty; what emptying the magazines would free is not known before.
    fn reclaimable(&self) -> usize {
        let spare = self.slabs.iter().filter(|slabs| slabs.lock().has_spare());
        spare.count()
    }
}
