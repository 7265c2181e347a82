//! A slab cache: the slabs of one size class, with a list of the partial ones.

use crate::class::Class;
use crate::descriptor::{Descriptor, DescriptorId, List, bit, descriptor, id_of};
use crate::object::{BATCH, Object, Objects};
use crate::pages::Pages;
use crate::stack::Stack;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use frames::Pfn;

/// Up to this many slabs, allocation searches for the fullest.
const FEW: usize = 16;

/// Slabs that became empty, each by its first descriptor.
pub(crate) type Emptied = Stack<DescriptorId, BATCH>;

/// The slabs of a class. A slab is known by the id of its first descriptor.
pub(crate) struct SlabCache {
    /// Descriptors with free objects, except those of `spare`.
    partial: List,
    /// An empty slab, kept while no other has a free object.
    spare: Option<DescriptorId>,
    slabs: usize,
    free: usize,
}

impl SlabCache {
    pub(crate) const EMPTY: SlabCache = SlabCache {
        partial: List::EMPTY,
        spare: None,
        slabs: 0,
        free: 0,
    };

    /// Slabs, of a page each.
    pub(crate) fn slabs(&self) -> usize {
        self.slabs
    }

    /// Free objects in the slabs.
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Whether there is a spare slab.
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Moves free objects to `out` until it has `want`, or there are no more.
    pub(crate) fn take<P: Pages>(
        &mut self,
        pages: &P,
        class: &Class,
        out: &mut Objects,
        want: usize,
    ) {
        while out.len() < want {
            let Some(id) = self.fullest(pages) else {
                match self.spare.take() {
                    Some(slab) => self.link(pages, class, slab),
                    None => return,
                }
                continue;
            };
            let descriptor = descriptor(pages, id);
            let start = pages.address(descriptor.page());
            let number = id.number_of(class.descriptors());
            let mut free = descriptor.free();
            while out.len() < want
                && let Some(bits) = NonZeroU64::new(free)
            {
                let offset = class.offset(number, bits.trailing_zeros());
                let Some(address) = NonNull::new(start.wrapping_add(offset)) else {
                    return;
                };
                // SAFETY: this descriptor has the object's bits, and the free bit is cleared below.
                out.push(unsafe { Object::new(address, descriptor) });
                free &= free - 1;
                self.free -= 1;
            }
            descriptor.set_free(free);
            if free == 0 {
                self.partial.remove(pages, id);
            }
        }
    }

    /// The descriptor to take objects from. While there are few slabs, the one with the most live objects: this
    /// gathers long-lived objects in few slabs, so that others become empty.
    fn fullest<P: Pages>(&self, pages: &P) -> Option<DescriptorId> {
        if self.slabs > FEW {
            return self.partial.first();
        }
        let live = |&id: &DescriptorId| descriptor(pages, id).count_live();
        self.partial.iter(pages).max_by_key(live)
    }

    /// Adds an empty slab as the spare; returns false, with nothing done, if there is a spare.
    pub(crate) fn add(&mut self, class: &Class, slab: DescriptorId) -> bool {
        if self.spare.is_some() {
            return false;
        }
        self.spare = Some(slab);
        self.slabs += 1;
        self.free += class.objects;
        true
    }

    fn link<P: Pages>(&mut self, pages: &P, class: &Class, slab: DescriptorId) {
        for number in (0..class.descriptors()).rev() {
            if class.all(number) != 0 {
                self.partial.push(pages, slab.plus(number));
            }
        }
    }

    /// Returns objects to their slabs. Slabs that become empty are moved to `emptied`, unless one is kept as the spare;
    /// with `all`, none is kept.
    pub(crate) fn give<P: Pages>(
        &mut self,
        pages: &P,
        class: &Class,
        objects: &Objects,
        all: bool,
        emptied: &mut Emptied,
    ) {
        for &object in objects.as_slice() {
            let address = object.address().addr().get();
            let descriptor = object.descriptor();
            let before = descriptor.free();
            let now = before | 1 << bit(address);
            descriptor.set_free(now);
            self.free += 1;
            let id = || id_of(pages, descriptor);
            if before == 0 {
                self.partial.push(pages, id());
            }
            // Checks the object's own descriptor first, which is the least likely to have all objects free.
            if now == class.all(class.descriptor_of(address))
                && let Some(slab) = if_empty(pages, class, id())
            {
                self.retire(pages, class, slab, all, emptied);
            }
        }
    }

    /// Removes an empty slab from the list, and keeps it as the spare if no other slab has a free object.
    fn retire<P: Pages>(
        &mut self,
        pages: &P,
        class: &Class,
        slab: DescriptorId,
        all: bool,
        emptied: &mut Emptied,
    ) {
        for number in (0..class.descriptors()).filter(|&number| class.all(number) != 0) {
            self.partial.remove(pages, slab.plus(number));
        }
        if !all && self.spare.is_none() && self.partial.first().is_none() {
            self.spare = Some(slab);
            return;
        }
        self.slabs -= 1;
        self.free -= class.objects;
        emptied.push(slab);
    }

    /// Removes the spare slab.
    pub(crate) fn give_spare(&mut self, class: &Class) -> Option<DescriptorId> {
        let slab = self.spare.take()?;
        self.slabs -= 1;
        self.free -= class.objects;
        Some(slab)
    }
}

/// The slab of this descriptor, if all its objects are free.
fn if_empty<P: Pages>(pages: &P, class: &Class, id: DescriptorId) -> Option<DescriptorId> {
    let slab = id.first_of(class.descriptors());
    let empty = |number| descriptor(pages, slab.plus(number)).free() == class.all(number);
    (0..class.descriptors()).all(empty).then_some(slab)
}

/// Initializes the descriptors from `slab` on for an empty slab in `page`.
pub(crate) fn describe<P: Pages>(pages: &P, class: &Class, slab: DescriptorId, page: Pfn) {
    for number in 0..class.descriptors() {
        let descriptor: &Descriptor = descriptor(pages, slab.plus(number));
        descriptor.reset(class.all(number), page);
    }
}
