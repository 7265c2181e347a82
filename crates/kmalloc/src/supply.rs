//! Between magazines, slabs and pages: what happens when a magazine is empty or full.

use crate::class::{Class, TABLE};
use crate::depot::{BATCH, Emptied, Object, Objects, describe};
use crate::error::WrongFree;
use crate::guard;
use crate::kmalloc::{Kmalloc, UNITS, hand_out};
use crate::pages::Pages;
use crate::unit::{UnitId, prepare, unit};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use frames::Pfn;
use lock_api::RawMutex;

/// Objects of a class that go between a magazine and a slab at once.
fn batch(class: &Class) -> usize {
    usize::from(class.most_cached / 2)
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// An object from the class's slabs, and more for the CPU's empty magazine.
    #[inline(never)]
    pub(crate) fn refill(&self, cpu: usize, index: usize) -> Option<NonNull<u8>> {
        let cache = self.caches.get(cpu);
        let (class, depot) = (TABLE.get(index)?, self.depots.get(index)?);
        let want = if cache.is_some() { batch(class) } else { 1 };
        let mut objects = Objects::new(Object::NONE);
        let mut get = || {
            depot.lock().take(&self.pages, class, &mut objects, want);
            objects.len() > 0 || self.grow(cpu, index, class, &mut objects, want)
        };
        // When there is no page, other CPUs' magazines may have an object, or all of a page's.
        if !get() {
            self.drain();
            get();
        }
        let result = objects.pop()?;
        if let Some(cache) = cache {
            let mut magazines = cache.lock();
            while let Some(object) = objects.pop() {
                if !magazines.push(index, object) {
                    objects.push(object);
                    break;
                }
            }
        }
        if objects.len() > 0 {
            self.give(cpu, index, class, &objects, false);
        }
        Some(hand_out(result))
    }

    /// Makes a new slab and takes objects from it; false when there is no page.
    fn grow(
        &self,
        cpu: usize,
        index: usize,
        class: &Class,
        objects: &mut Objects,
        want: usize,
    ) -> bool {
        let Some(group) = self.new_units(cpu, class.unit_order()) else {
            return false;
        };
        let Some(page) = self.pages.alloc(cpu, index as u8, group.0) else {
            self.drop_units(cpu, group, class.unit_order());
            return false;
        };
        describe(&self.pages, class, group, page);
        if guard::ENABLED {
            guard::fill_slab(self.pages.address(page), class);
        }
        let Some(depot) = self.depots.get(index) else {
            return false;
        };
        let added = {
            let mut depot = depot.lock();
            let added = depot.add(class, group);
            depot.take(&self.pages, class, objects, want);
            added
        };
        if !added {
            self.drop_slab(cpu, index, class, group);
        }
        true
    }

    fn new_units(&self, cpu: usize, order: u32) -> Option<UnitId> {
        let take = || {
            self.pools
                .lock()
                .get_mut(order as usize)?
                .take(&self.pages, order)
        };
        take().or_else(|| {
            let page = self.pages.alloc(cpu, UNITS, 0)?;
            let Some(header) = UnitId::first_of(page) else {
                self.pages.free(cpu, page, UNITS);
                return None;
            };
            prepare(&self.pages, page);
            let mut pools = self.pools.lock();
            let pool = pools.get_mut(order as usize)?;
            pool.add(&self.pages, header, order);
            pool.take(&self.pages, order)
        })
    }

    fn drop_units(&self, cpu: usize, group: UnitId, order: u32) -> usize {
        let mut pools = self.pools.lock();
        let empty = pools
            .get_mut(order as usize)
            .and_then(|p| p.give(&self.pages, group, order));
        drop(pools);
        usize::from(empty.is_some_and(|page| self.pages.free(cpu, page, UNITS)))
    }

    /// Makes room in a full magazine for `object`; without a magazine, the slab gets it. Never fails.
    #[inline(never)]
    pub(crate) fn spill(&self, cpu: usize, index: usize, object: Object) -> Result<(), WrongFree> {
        let Some(class) = TABLE.get(index) else {
            return Ok(());
        };
        let mut objects = Objects::new(Object::NONE);
        match self.caches.get(cpu) {
            Some(cache) => {
                let mut magazines = cache.lock();
                magazines.move_oldest(index, &mut objects, batch(class));
                magazines.push(index, object);
            }
            None => {
                objects.push(object);
            }
        }
        self.give(cpu, index, class, &objects, false);
        Ok(())
    }

    /// Gives objects to their slabs and empty slabs to `P`; how many pages.
    fn give(&self, cpu: usize, index: usize, class: &Class, objects: &Objects, all: bool) -> usize {
        let Some(depot) = self.depots.get(index).filter(|_| objects.len() > 0) else {
            return 0;
        };
        let mut emptied = Emptied::new(UnitId::NONE);
        depot
            .lock()
            .give(&self.pages, class, objects, all, &mut emptied);
        emptied
            .as_slice()
            .iter()
            .map(|&group| self.drop_slab(cpu, index, class, group))
            .sum()
    }

    /// Gives the page of an empty slab to `P`, and its units to the pool; how many pages that were.
    fn drop_slab(&self, cpu: usize, index: usize, class: &Class, group: UnitId) -> usize {
        let page = Pfn::new(unit(&self.pages, group).page.load(Ordering::Relaxed));
        if guard::ENABLED {
            guard::check_slab(self.pages.address(page), class);
        }
        let freed = self.pages.free(cpu, page, index as u8);
        usize::from(freed) + self.drop_units(cpu, group, class.unit_order())
    }

    /// Empties all magazines and gives back all pages that hold no object; how many.
    pub fn drain(&self) -> usize {
        // No CPU in particular, so that the pages go where all can get them.
        let cpu = usize::MAX;
        let mut pages = 0;
        for (index, (class, depot)) in TABLE.iter().zip(&self.depots).enumerate() {
            for cache in &self.caches {
                loop {
                    let mut objects = Objects::new(Object::NONE);
                    cache.lock().move_oldest(index, &mut objects, BATCH);
                    if objects.len() == 0 {
                        break;
                    }
                    pages += self.give(cpu, index, class, &objects, true);
                }
            }
            let spare = depot.lock().give_spare(class);
            pages += spare.map_or(0, |group| self.drop_slab(cpu, index, class, group));
        }
        pages
    }
}
