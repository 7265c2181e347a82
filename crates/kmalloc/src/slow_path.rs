//! The slow path: refilling an empty magazine, spilling a full one, allocating and freeing slabs.

use crate::class::{Class, TABLE};
use crate::descriptor::{DescriptorId, descriptor, prepare};
use crate::kmalloc::{DESCRIPTORS, Kmalloc, RETIRED};
use crate::magazine::Magazines;
use crate::object::{Object, Objects};
use crate::pages::Pages;
use crate::redzone;
use crate::slab_cache::{Emptied, describe};
use core::ptr::NonNull;
use lock_api::{MutexGuard, RawMutex};

/// Objects of a class moved between a magazine and the slabs at once.
fn batch(class: &Class) -> usize {
    usize::from(class.most_cached / 2)
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// Allocates an object from the class's slabs, and a batch for the CPU's empty magazine.
    #[inline(never)]
    pub(crate) fn refill(&self, cpu: usize, index: usize) -> Option<NonNull<u8>> {
        let cache = self.caches.get(cpu);
        let (class, slabs) = (TABLE.get(index)?, self.slabs.get(index)?);
        let want = if cache.is_some() { batch(class) } else { 1 };
        let mut objects = Objects::new();
        let mut take = || {
            slabs.lock().take(&self.pages, class, &mut objects, want);
            objects.len() > 0 || self.grow(cpu, index, class, &mut objects, want)
        };
        // If there is no page, other CPUs' magazines may have an object, or all objects of a slab.
        if !take() {
            self.drain();
            take();
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
        self.give(cpu, index, class, &objects, false);
        Some(result.into_live())
    }

    /// Allocates a slab and takes objects from it; returns false if there is no page.
    fn grow(
        &self,
        cpu: usize,
        index: usize,
        class: &Class,
        objects: &mut Objects,
        want: usize,
    ) -> bool {
        let Some(slab) = self.new_slab(cpu, index, class) else {
            return false;
        };
        let Some(slabs) = self.slabs.get(index) else {
            return false;
        };
        let added = {
            let mut slabs = slabs.lock();
            let added = slabs.add(class, slab);
            slabs.take(&self.pages, class, objects, want);
            added
        };
        if !added {
            let mut unneeded = Emptied::new();
            unneeded.push(slab);
            self.retire(cpu, index, class, &unneeded);
        }
        true
    }

    /// Allocates an empty slab, which is in no slab cache.
    fn new_slab(&self, cpu: usize, index: usize, class: &Class) -> Option<DescriptorId> {
        let slab = self.take_descriptors(cpu, class)?;
        let Some(page) = self.pages.alloc(cpu) else {
            self.give_descriptors(cpu, class, slab);
            return None;
        };
        describe(&self.pages, class, slab, page);
        if redzone::ENABLED {
            // SAFETY: the page was allocated just now.
            unsafe { redzone::fill_slab(self.pages.address(page), class) };
        }
        // From here on `free` recognizes objects in the page.
        self.pages
            .mark(page, index as u8, slab.word())
            .then_some(slab)
    }

    /// Allocates the descriptors of a slab; returns the first.
    fn take_descriptors(&self, cpu: usize, class: &Class) -> Option<DescriptorId> {
        let order = class.descriptor_order();
        let take = || {
            let mut pools = self.pools.lock();
            pools.get_mut(order as usize)?.take(&self.pages, order)
        };
        take().or_else(|| {
            let page = self.pages.alloc(cpu)?;
            self.pages.mark(page, DESCRIPTORS, 0);
            // SAFETY: the page was allocated just now. `give_descriptors` frees it when all its descriptors are
            // back in the pool.
            let Some(header) = (unsafe { prepare(&self.pages, page) }) else {
                self.pages.free(cpu, page, DESCRIPTORS);
                return None;
            };
            let mut pools = self.pools.lock();
            let pool = pools.get_mut(order as usize)?;
            pool.add(&self.pages, header, order);
            pool.take(&self.pages, order)
        })
    }

    /// Frees the descriptors of a slab; returns the number of freed pages.
    fn give_descriptors(&self, cpu: usize, class: &Class, slab: DescriptorId) -> usize {
        let order = class.descriptor_order();
        let mut pools = self.pools.lock();
        let unused = pools
            .get_mut(order as usize)
            .and_then(|pool| pool.give(&self.pages, slab, order));
        drop(pools);
        usize::from(unused.is_some_and(|page| self.pages.free(cpu, page, DESCRIPTORS)))
    }

    /// Pushes an object to a full magazine, after moving its oldest objects to their slabs.
    #[inline(never)]
    pub(crate) fn spill(
        &self,
        cpu: usize,
        index: usize,
        object: Object,
        mut magazines: MutexGuard<'_, R, Magazines>,
    ) {
        let Some(class) = TABLE.get(index) else {
            return;
        };
        let mut objects = Objects::new();
        magazines.move_oldest(index, &mut objects, batch(class));
        magazines.push(index, object);
        drop(magazines);
        self.give(cpu, index, class, &objects, false);
    }

    /// Returns an object to its slab.
    pub(crate) fn give_one(&self, index: usize, object: Object) {
        if let Some(class) = TABLE.get(index) {
            let mut objects = Objects::new();
            objects.push(object);
            self.give(usize::MAX, index, class, &objects, false);
        }
    }

    /// Returns objects to their slabs and frees slabs that become empty; returns the number of freed pages. With
    /// `all`, no empty slab is kept as a spare.
    pub(crate) fn give(
        &self,
        cpu: usize,
        index: usize,
        class: &Class,
        objects: &Objects,
        all: bool,
    ) -> usize {
        let Some(slabs) = self.slabs.get(index).filter(|_| objects.len() > 0) else {
            return 0;
        };
        let mut emptied = Emptied::new();
        slabs
            .lock()
            .give(&self.pages, class, objects, all, &mut emptied);
        self.retire(cpu, index, class, &emptied)
    }

    /// Frees slabs that are empty and in no cache, and their descriptors; returns the number of freed pages.
    ///
    /// No object there is live, but a concurrent double free, a bug of its caller, may have read the slab's mark
    /// already. It holds the lock of a CPU's magazines, or that of the pools, until it is done with the
    /// descriptor. So after the mark is changed, and before descriptor and page are freed, each of these locks is
    /// acquired once, as in a grace period of RCU.
    pub(crate) fn retire(&self, cpu: usize, index: usize, class: &Class, slabs: &Emptied) -> usize {
        if slabs.len() == 0 {
            return 0;
        }
        for &slab in slabs.as_slice() {
            let page = descriptor(&self.pages, slab).page();
            if redzone::ENABLED {
                // SAFETY: no object of the slab is in use.
                unsafe { redzone::check_slab(self.pages.address(page), class) };
            }
            self.pages.remark(page, index as u8, RETIRED);
        }
        for cache in &self.caches {
            drop(cache.lock());
        }
        let free = |&slab: &DescriptorId| {
            let page = descriptor(&self.pages, slab).page();
            let unused = self.give_descriptors(cpu, class, slab);
            unused + usize::from(self.pages.free(cpu, page, RETIRED))
        };
        slabs.as_slice().iter().map(free).sum()
    }
}
