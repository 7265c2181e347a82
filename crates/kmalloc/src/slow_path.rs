//! Between magazines, slabs and pages: what happens when a magazine is empty or full, and how a slab is
//! made and given back.

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

/// Objects of a class that go between a magazine and the slabs at once.
fn batch(class: &Class) -> usize {
    usize::from(class.most_cached / 2)
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// An object from the class's slabs, and more for the CPU's empty magazine.
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
        // When there is no page, other CPUs' magazines may have an object, or all of a slab's.
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

    /// Makes a new slab and takes objects from it; false when there is no page.
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

    /// An empty slab that is in no cache.
    fn new_slab(&self, cpu: usize, index: usize, class: &Class) -> Option<DescriptorId> {
        let slab = self.take_descriptors(cpu, class)?;
        let Some(page) = self.pages.alloc(cpu) else {
            self.give_descriptors(cpu, class, slab);
            return None;
        };
        describe(&self.pages, class, slab, page);
        if redzone::ENABLED {
            // SAFETY: the page is new, and nobody else's.
            unsafe { redzone::fill_slab(self.pages.address(page), class) };
        }
        // From here on the page is one whose objects can be freed.
        self.pages
            .mark(page, index as u8, slab.word())
            .then_some(slab)
    }

    /// The first of the descriptors of a new slab.
    fn take_descriptors(&self, cpu: usize, class: &Class) -> Option<DescriptorId> {
        let order = class.descriptor_order();
        let take = || {
            let mut pools = self.pools.lock();
            pools.get_mut(order as usize)?.take(&self.pages, order)
        };
        take().or_else(|| {
            let page = self.pages.alloc(cpu)?;
            self.pages.mark(page, DESCRIPTORS, 0);
            // SAFETY: the page is new, and nobody else's. It goes back in `give_descriptors`, when the
            // pool has all its descriptors again.
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

    /// Gives back the descriptors of a slab that is no more; how many pages became free.
    fn give_descriptors(&self, cpu: usize, class: &Class, slab: DescriptorId) -> usize {
        let order = class.descriptor_order();
        let mut pools = self.pools.lock();
        let unused = pools
            .get_mut(order as usize)
            .and_then(|pool| pool.give(&self.pages, slab, order));
        drop(pools);
        usize::from(unused.is_some_and(|page| self.pages.free(cpu, page, DESCRIPTORS)))
    }

    /// Puts an object that was just freed into a full magazine, which gives its oldest objects to their
    /// slabs.
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

    /// Gives one object to its slab.
    pub(crate) fn give_one(&self, index: usize, object: Object) {
        if let Some(class) = TABLE.get(index) {
            let mut objects = Objects::new();
            objects.push(object);
            self.give(usize::MAX, index, class, &objects, false);
        }
    }

    /// Gives objects to their slabs and slabs that become empty back; how many pages became free.
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

    /// Gives back the pages of slabs that are empty and in no cache, and their descriptors; how many pages
    /// became free.
    ///
    /// Nobody has an object there, but a second free of one, which is a bug of its caller, may have read a
    /// slab's mark already. It holds the lock of some CPU's magazines, or that of the pools, until it is
    /// done with the descriptor. So each of these locks is taken once between the change of the mark and
    /// the moment when the descriptor and the word of the page are gone.
    pub(crate) fn retire(&self, cpu: usize, index: usize, class: &Class, slabs: &Emptied) -> usize {
        if slabs.len() == 0 {
            return 0;
        }
        for &slab in slabs.as_slice() {
            let page = descriptor(&self.pages, slab).page();
            if redzone::ENABLED {
                // SAFETY: nobody has an object of the slab.
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
