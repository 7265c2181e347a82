//! Units: records of 32 bytes, each for up to 64 objects of a page. They live in pages of their
//! own, away from the objects, so that no overrun of an object reaches them.

use crate::pages::Pages;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use frames::{FRAME_SIZE, Pfn};

/// Units in a page of units, as a power of two.
pub(crate) const PAGE_ORDER: u32 = (FRAME_SIZE / size_of::<Unit>()).trailing_zeros();

/// Where a unit is: the number of its page, then its place there. There is an id for a unit from
/// when the pool gives it out until it goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitId(pub(crate) u32);

impl UnitId {
    /// No unit; its page would be the last one that an id can name, which is never used.
    pub(crate) const NONE: UnitId = UnitId(u32::MAX);

    /// The first unit of a page; none for pages too far up to have ids.
    pub(crate) fn first_of(page: Pfn) -> Option<UnitId> {
        let last = u32::MAX >> PAGE_ORDER;
        (page.get() < last).then(|| UnitId(page.get() << PAGE_ORDER))
    }

    #[inline]
    pub(crate) fn page(self) -> Pfn {
        Pfn::new(self.0 >> PAGE_ORDER)
    }

    /// Its place in its page.
    #[inline]
    pub(crate) fn place(self) -> usize {
        (self.0 % (1 << PAGE_ORDER)) as usize
    }

    /// The unit `n` further on in the same page.
    #[inline]
    pub(crate) fn plus(self, n: u32) -> UnitId {
        UnitId(self.0.wrapping_add(n))
    }
}

/// What is known of up to 64 objects, each of which has a bit. All fields are atomic, so that a shared reference is enough;
/// `live` changes at any time, and whoever holds the lock of the list that the unit belongs to has
/// the others for itself.
#[repr(C, align(32))]
pub(crate) struct Unit {
    /// Objects that somebody has.
    pub(crate) live: AtomicU64,
    /// Objects that are in no magazine and that nobody has.
    pub(crate) free: AtomicU64,
    /// The page of the objects.
    pub(crate) page: AtomicU32,
    next: AtomicU32,
    previous: AtomicU32,
    _unused: AtomicU32,
}

impl Unit {
    /// Sets all fields for the objects of `page`.
    pub(crate) fn reset(&self, free: u64, page: Pfn) {
        self.live.store(0, Ordering::Relaxed);
        self.set_free(free);
        self.page.store(page.get(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_free(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
    }
}

/// The unit with this id.
#[inline]
pub(crate) fn unit<P: Pages>(pages: &P, id: UnitId) -> &Unit {
    unit_behind(pages, id, 0)
}

/// The unit that is `offset` bytes behind that with this id, in the same group.
#[inline(always)]
pub(crate) fn unit_behind<P: Pages>(pages: &P, id: UnitId, offset: u32) -> &Unit {
    // Units are as far apart as their ids say, across pages too.
    let addr = u64::from(id.0) * size_of::<Unit>() as u64 + u64::from(offset);
    // SAFETY: ids are only made of pages that `prepare` filled with units, and are forgotten before
    // such a page goes back. `Unit` is made of atomics, which may be shared.
    unsafe { &*pages.byte(addr).cast::<Unit>() }
}

/// The id of a unit.
#[inline]
pub(crate) fn id_of<P: Pages>(pages: &P, unit: &Unit) -> UnitId {
    let start = core::ptr::from_ref(unit).cast::<u8>();
    let place = start.addr() % FRAME_SIZE / size_of::<Unit>();
    UnitId(pages.frame(start).get() << PAGE_ORDER | place as u32)
}

/// Fills a page that was just allocated with units.
pub(crate) fn prepare<P: Pages>(pages: &P, page: Pfn) {
    let start = pages.address(page).cast::<Unit>();
    for place in 0..1 << PAGE_ORDER {
        let empty = Unit {
            live: AtomicU64::new(0),
            free: AtomicU64::new(0),
            page: AtomicU32::new(page.get()),
            next: AtomicU32::new(UnitId::NONE.0),
            previous: AtomicU32::new(UnitId::NONE.0),
            _unused: AtomicU32::new(0),
        };
        // SAFETY: the page is ours alone and so many units fit it exactly; it is aligned to more
        // than a unit is.
        unsafe { start.add(place).write(empty) };
    }
}

/// The unit that a link of a list leads to.
fn listed(link: u32) -> Option<UnitId> {
    (link != UnitId::NONE.0).then_some(UnitId(link))
}

/// A list of units, linked through them.
pub(crate) struct List(UnitId);

impl List {
    pub(crate) const EMPTY: List = List(UnitId::NONE);

    /// The unit that came last.
    #[inline]
    pub(crate) fn first(&self) -> Option<UnitId> {
        listed(self.0.0)
    }

    /// The units, the one that came last first.
    pub(crate) fn iter<P: Pages>(&self, pages: &P) -> impl Iterator<Item = UnitId> {
        let behind = |&id: &UnitId| listed(unit(pages, id).next.load(Ordering::Relaxed));
        core::iter::successors(self.first(), behind)
    }

    /// Puts a unit that is on no list in front.
    pub(crate) fn push<P: Pages>(&mut self, pages: &P, id: UnitId) {
        let new = unit(pages, id);
        new.previous.store(UnitId::NONE.0, Ordering::Relaxed);
        new.next.store(self.0.0, Ordering::Relaxed);
        if let Some(old) = self.first() {
            unit(pages, old).previous.store(id.0, Ordering::Relaxed);
        }
        self.0 = id;
    }

    /// Takes a unit that is on this list off it.
    pub(crate) fn remove<P: Pages>(&mut self, pages: &P, id: UnitId) {
        let gone = unit(pages, id);
        let next = UnitId(gone.next.load(Ordering::Relaxed));
        let previous = UnitId(gone.previous.load(Ordering::Relaxed));
        if next != UnitId::NONE {
            unit(pages, next)
                .previous
                .store(previous.0, Ordering::Relaxed);
        }
        match previous {
            UnitId::NONE => self.0 = next,
            _ => unit(pages, previous).next.store(next.0, Ordering::Relaxed),
        }
    }
}
