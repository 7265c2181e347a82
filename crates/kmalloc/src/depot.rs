//! All slabs of one class: pages of objects, of which the units with free objects are on a list.

use crate::class::Class;
use crate::pages::Pages;
use crate::stack::Stack;
use crate::unit::{List, UnitId, unit};
use core::num::NonZeroU64;
use core::sync::atomic::Ordering;

/// Objects that go between a magazine and a depot at once.
pub(crate) const BATCH: usize = 8;

/// An object: its unit, then its number there in the low 6 bits. Units of a page are a group, so
/// the low bits of all of it are also the object's number in its page.
#[derive(Clone, Copy)]
pub(crate) struct Object(u64);

impl Object {
    pub(crate) const NONE: Object = Object(u64::MAX);

    /// Object `number` of the page that the units from `group` on describe.
    #[inline]
    pub(crate) fn new(group: UnitId, number: usize) -> Object {
        Object((u64::from(group.0) << 6) + number as u64)
    }

    #[inline]
    pub(crate) fn unit(self) -> UnitId {
        UnitId((self.0 >> 6) as u32)
    }

    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }

    /// Its number in its page.
    #[inline]
    pub(crate) fn number(self, class: &Class) -> usize {
        (self.0 % (64 << class.unit_order)) as usize
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
            let Some(id) = self.partial.first() else {
                match self.spare.take() {
                    Some(group) => self.link(pages, class, group),
                    None => return,
                }
                continue;
            };
            let unit = unit(pages, id);
            let mut free = unit.free();
            while out.len() < want
                && let Some(bits) = NonZeroU64::new(free)
            {
                out.push(Object::new(id, bits.trailing_zeros() as usize));
                free &= free - 1;
                self.free -= 1;
            }
            unit.set_free(free);
            if free == 0 {
                self.partial.remove(pages, id);
            }
        }
    }

    /// Adds a page whose units say that all its objects are free.
    pub(crate) fn add<P: Pages>(&mut self, pages: &P, class: &Class, group: UnitId) {
        self.slabs += 1;
        self.free += class.objects;
        self.link(pages, class, group);
    }

    fn link<P: Pages>(&mut self, pages: &P, class: &Class, group: UnitId) {
        for number in (0..1 << class.unit_order).rev() {
            self.partial.push(pages, group.plus(number));
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
            let unit = unit(pages, object.unit());
            let before = unit.free();
            unit.set_free(before | object.bit());
            self.free += 1;
            if before == 0 {
                self.partial.push(pages, object.unit());
            }
            if let Some(group) = empty_page(pages, class, object) {
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
        for number in 0..1 << class.unit_order {
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

/// The units of the object's page, if all objects of it are free.
#[inline]
fn empty_page<P: Pages>(pages: &P, class: &Class, object: Object) -> Option<UnitId> {
    let units = 1 << class.unit_order;
    let group = UnitId(object.unit().0 & !(units - 1));
    let empty = |n: u32| unit(pages, group.plus(n as usize)).free() == class.all(n as usize);
    // The object's own unit is the least likely to be full of free objects in a page of several.
    (empty(object.unit().0 - group.0) && (0..units).all(empty)).then_some(group)
}

/// Makes the units of a page that is to be a slab.
pub(crate) fn describe<P: Pages>(pages: &P, class: &Class, group: UnitId, page: frames::Pfn) {
    for number in 0..1 << class.unit_order {
        unit(pages, group.plus(number)).reset(class.all(number), page);
    }
}

/// Marks an object as handed out; whether it was not before.
#[inline]
pub(crate) fn set_live<P: Pages>(pages: &P, object: Object) -> bool {
    let before = unit(pages, object.unit())
        .live
        .fetch_or(object.bit(), Ordering::Relaxed);
    before & object.bit() == 0
}

/// Marks an object as taken back; whether it was handed out. Of two at the same time, one sees that.
#[inline]
pub(crate) fn clear_live<P: Pages>(pages: &P, object: Object) -> bool {
    let before = unit(pages, object.unit())
        .live
        .fetch_and(!object.bit(), Ordering::Relaxed);
    before & object.bit() != 0
}
