//! All slabs of one class: pages of objects, of which the units with free objects are on a list.

use crate::class::{Class, bit};
use crate::pages::Pages;
use crate::stack::Stack;
use crate::unit::{List, Unit, UnitId, id_of, unit};
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use frames::Pfn;

/// Objects that go between a magazine and a depot at once.
pub(crate) const BATCH: usize = 8;

/// Pages among which the fullest is looked for.
const FEW: usize = 16;

/// An object that nobody has, on its way between a magazine and a slab.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    pub(crate) address: NonNull<u8>,
    /// The unit that describes it, which stays where it is for as long as the object is not free
    /// in its slab.
    pub(crate) unit: NonNull<Unit>,
}

// SAFETY: whoever has it has the object, and a unit is made of atomics.
unsafe impl Send for Object {}

impl Object {
    /// No object, to fill unused places with.
    pub(crate) const NONE: Object = Object {
        address: NonNull::dangling(),
        unit: NonNull::dangling(),
    };

    /// Its bit in its unit.
    #[inline(always)]
    fn bit(self) -> u64 {
        1 << bit(self.address.addr().get())
    }

    #[inline(always)]
    fn unit(&self) -> &Unit {
        // SAFETY: `unit` is that of an object, not the filler's, because fillers are never given
        // out; units stay as said above.
        unsafe { self.unit.as_ref() }
    }

    /// Marks it as handed out; whether it was not before.
    #[inline(always)]
    pub(crate) fn set_live(self) -> bool {
        let bit = self.bit();
        self.unit().live.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Marks it as taken back; whether it was handed out. Of two at the same time, one sees that.
    #[inline(always)]
    pub(crate) fn clear_live(self) -> bool {
        let bit = self.bit();
        self.unit().live.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }
}

pub(crate) type Objects = Stack<Object, BATCH>;
/// Pages that became empty, by their units.
pub(crate) type Emptied = Stack<UnitId, BATCH>;

/// The slabs of a class.
pub(crate) struct Depot {
    /// Units with free objects, other than those of `spare`.
    partial: List,
    /// A page with no object in use, kept because there was no other with a free object.
    spare: Option<UnitId>,
    slabs: usize,
    free: usize,
}

impl Depot {
    pub(crate) const EMPTY: Depot = Depot {
        partial: List::EMPTY,
        spare: None,
        slabs: 0,
        free: 0,
    };

    /// Pages.
    pub(crate) fn slabs(&self) -> usize {
        self.slabs
    }

    /// Objects in these pages that nobody has.
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Whether an empty page is kept.
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Takes objects until `out` has `want` of them or there are no more.
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
                    Some(group) => self.link(pages, class, group),
                    None => return,
                }
                continue;
            };
            let unit = unit(pages, id);
            let page = Pfn::new(unit.page.load(Ordering::Relaxed));
            let start = pages.address(page);
            let number = id.0 & (class.units() - 1);
            let mut free = unit.free();
            while out.len() < want
                && let Some(bits) = NonZeroU64::new(free)
            {
                let offset = class.offset(number, bits.trailing_zeros());
                let Some(address) = NonNull::new(start.wrapping_add(offset)) else {
                    return;
                };
                let unit = NonNull::from(unit);
                out.push(Object { address, unit });
                free &= free - 1;
                self.free -= 1;
            }
            unit.set_free(free);
            if free == 0 {
                self.partial.remove(pages, id);
            }
        }
    }

    /// The unit to take objects from. While there are few, it is the one with the most objects in
    /// use: those that stay for long gather in few pages so, and the other pages become empty.
    fn fullest<P: Pages>(&self, pages: &P) -> Option<UnitId> {
        if self.slabs > FEW {
            return self.partial.first();
        }
        let live = |&id: &UnitId| unit(pages, id).live.load(Ordering::Relaxed).count_ones();
        self.partial.iter(pages).max_by_key(live)
    }

    /// Adds a page whose units say that all its objects are free; false, and nothing done, if there
    /// is such a page.
    pub(crate) fn add(&mut self, class: &Class, group: UnitId) -> bool {
        if self.spare.is_some() {
            return false;
        }
        self.spare = Some(group);
        self.slabs += 1;
        self.free += class.objects;
        true
    }

    fn link<P: Pages>(&mut self, pages: &P, class: &Class, group: UnitId) {
        for number in (0..class.units()).rev() {
            if class.all(number) != 0 {
                self.partial.push(pages, group.plus(number));
            }
        }
    }

    /// Takes objects back. Pages that become empty and are not needed go to `emptied`, and are no
    /// longer the depot's; with `all`, none is kept.
    pub(crate) fn give<P: Pages>(
        &mut self,
        pages: &P,
        class: &Class,
        objects: &Objects,
        all: bool,
        emptied: &mut Emptied,
    ) {
        for &object in objects.as_slice() {
            let unit = object.unit();
            let before = unit.free();
            let now = before | object.bit();
            unit.set_free(now);
            self.free += 1;
            if before == 0 {
                self.partial.push(pages, id_of(pages, unit));
            }
            // In a page of several units the object's own is the least likely to be all free.
            if now == class.all(class.unit(object.address.addr().get()))
                && let Some(group) = empty_page(pages, class, id_of(pages, unit))
            {
                self.retire(pages, class, group, all, emptied);
            }
        }
    }

    /// Takes an empty page off the list, and keeps it only if it would be missed.
    fn retire<P: Pages>(
        &mut self,
        pages: &P,
        class: &Class,
        group: UnitId,
        all: bool,
        emptied: &mut Emptied,
    ) {
        for number in (0..class.units()).filter(|&number| class.all(number) != 0) {
            self.partial.remove(pages, group.plus(number));
        }
        if !all && self.spare.is_none() && self.partial.first().is_none() {
            self.spare = Some(group);
            return;
        }
        self.slabs -= 1;
        self.free -= class.objects;
        emptied.push(group);
    }

    /// Gives up the page that was kept.
    pub(crate) fn give_spare(&mut self, class: &Class) -> Option<UnitId> {
        let group = self.spare.take()?;
        self.slabs -= 1;
        self.free -= class.objects;
        Some(group)
    }
}

/// The units of a page, if all its objects are free; `id` is one of them.
fn empty_page<P: Pages>(pages: &P, class: &Class, id: UnitId) -> Option<UnitId> {
    let group = UnitId(id.0 & !(class.units() - 1));
    let empty = |number| unit(pages, group.plus(number)).free() == class.all(number);
    (0..class.units()).all(empty).then_some(group)
}

/// Makes the units of a page that is to be a slab.
pub(crate) fn describe<P: Pages>(pages: &P, class: &Class, group: UnitId, page: Pfn) {
    for number in 0..class.units() {
        unit(pages, group.plus(number)).reset(class.all(number), page);
    }
}
