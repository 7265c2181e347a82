//! Slab descriptors: what is known of the objects in a slab. They lie in pages of their own, where no
//! overrun of an object reaches them.
//!
//! A descriptor is for up to 64 objects and has two bits for each: *live*, the object is handed out,
//! and *free*, it is in the slab. An object with neither bit is in a magazine or on its way there.

use crate::pages::Pages;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use frames::{FRAME_SIZE, Pfn};

/// Descriptors in a page of descriptors, as a power of two.
pub(crate) const PAGE_ORDER: u32 = (FRAME_SIZE / size_of::<Descriptor>()).trailing_zeros();
/// The last descriptor of a page, and a mask for the index in the page.
const LAST: u32 = (1 << PAGE_ORDER) - 1;
/// The end of a list. The id would be in the last page that ids can name, which is never used.
const NO_LINK: u32 = u32::MAX;

/// Where a descriptor is: the number of its page, then its index there.
///
/// An id exists only while the descriptor does, from [`prepare`] of its page until the page goes back;
/// so looking a descriptor up is safe, and giving the page back is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorId(u32);

impl DescriptorId {
    /// As a number, for the word of a page.
    pub(crate) fn word(self) -> u32 {
        self.0
    }

    pub(crate) fn page(self) -> Pfn {
        Pfn::new(self.0 >> PAGE_ORDER)
    }

    /// The index in its page.
    pub(crate) fn index(self) -> usize {
        (self.0 & LAST) as usize
    }

    /// The first descriptor of the same page.
    pub(crate) fn first_in_page(self) -> DescriptorId {
        DescriptorId(self.0 & !LAST)
    }

    /// The descriptor `n` further on in the same page; behind the last one comes the first.
    #[inline]
    pub(crate) fn plus(self, n: u32) -> DescriptorId {
        DescriptorId(self.0 & !LAST | self.0.wrapping_add(n) & LAST)
    }

    /// The first descriptor of those of its slab, each slab having `count` of them: 1, 2 or 4.
    pub(crate) fn first_of(self, count: u32) -> DescriptorId {
        DescriptorId(self.0 & !(count - 1))
    }

    /// Which one it is of the `count` descriptors of its slab.
    pub(crate) fn number_of(self, count: u32) -> u32 {
        self.0 & (count - 1)
    }
}

/// A descriptor. All fields are atomic, so that a shared reference is enough: the live bits change at any
/// time, the others under the lock of the slab cache or of the pool that has the descriptor.
#[repr(C, align(32))]
pub(crate) struct Descriptor {
    live: AtomicU64,
    free: AtomicU64,
    /// The page of the objects.
    page: AtomicU32,
    next: AtomicU32,
    previous: AtomicU32,
    _unused: AtomicU32,
}

/// The number of the bit for the object at `address`: which 64 bytes of the page it starts in.
#[inline(always)]
pub(crate) const fn bit(address: usize) -> u32 {
    (address / 64 % 64) as u32
}

impl Descriptor {
    /// Describes objects of `page`, of which those with a bit in `free` are free and none is live.
    pub(crate) fn reset(&self, free: u64, page: Pfn) {
        self.live.store(0, Ordering::Relaxed);
        self.set_free(free);
        self.page.store(page.get(), Ordering::Relaxed);
    }

    /// Objects that are handed out.
    pub(crate) fn count_live(&self) -> u32 {
        self.live.load(Ordering::Relaxed).count_ones()
    }

    /// Marks the object at `address` as handed out; whether it was not.
    #[inline(always)]
    pub(crate) fn set_live(&self, address: usize) -> bool {
        let bit = 1 << bit(address);
        self.live.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Marks the object at `address` as taken back; whether it was handed out. Of two calls at the same
    /// time one finds that it was.
    #[inline(always)]
    pub(crate) fn clear_live(&self, address: usize) -> bool {
        let bit = 1 << bit(address);
        self.live.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// The bits of the objects that are free in the slab.
    #[inline]
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_free(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
    }

    /// The page of the objects.
    pub(crate) fn page(&self) -> Pfn {
        Pfn::new(self.page.load(Ordering::Relaxed))
    }

    /// All 128 bits, of a descriptor that the pool uses for its own records and that describes nothing.
    pub(crate) fn bits(&self) -> [u64; 2] {
        [self.live.load(Ordering::Relaxed), self.free()]
    }

    pub(crate) fn set_bits(&self, [low, high]: [u64; 2]) {
        self.live.store(low, Ordering::Relaxed);
        self.set_free(high);
    }
}

/// The descriptor with this id.
#[inline]
pub(crate) fn descriptor<P: Pages>(pages: &P, id: DescriptorId) -> &Descriptor {
    // SAFETY: there is an id, so there is a descriptor.
    unsafe { descriptor_at(pages, id.0, 0) }
}

/// The descriptor that is `offset` bytes behind the one whose id is the number `word`.
///
/// # Safety
/// The number came from [`DescriptorId::word`], and the page of that id has not gone back; there is a
/// descriptor at `offset`.
#[inline(always)]
pub(crate) unsafe fn descriptor_at<P: Pages>(pages: &P, word: u32, offset: u32) -> &Descriptor {
    // Descriptors are as far apart as their ids say, across pages too.
    let addr = u64::from(word) * size_of::<Descriptor>() as u64 + u64::from(offset);
    // SAFETY: the caller's promise; `prepare` made a descriptor there. It is made of atomics, which may
    // be shared.
    unsafe { &*pages.byte(addr).cast::<Descriptor>() }
}

/// The id of a descriptor.
#[inline]
pub(crate) fn id_of<P: Pages>(pages: &P, descriptor: &Descriptor) -> DescriptorId {
    let start = core::ptr::from_ref(descriptor).cast::<u8>();
    let index = start.addr() % FRAME_SIZE / size_of::<Descriptor>();
    DescriptorId(pages.page_of(start).get() << PAGE_ORDER | index as u32)
}

/// Makes descriptors in a page; the id of the first one, or none if the page is too far up for ids.
///
/// # Safety
/// The page is from `pages`, and the caller's alone until it goes back to `pages`. Then nobody has an id
/// of a descriptor in it, or a reference to one.
pub(crate) unsafe fn prepare<P: Pages>(pages: &P, page: Pfn) -> Option<DescriptorId> {
    if page.get() >= NO_LINK >> PAGE_ORDER {
        return None;
    }
    let start = pages.address(page).cast::<Descriptor>();
    for index in 0..1 << PAGE_ORDER {
        let empty = Descriptor {
            live: AtomicU64::new(0),
            free: AtomicU64::new(0),
            page: AtomicU32::new(page.get()),
            next: AtomicU32::new(NO_LINK),
            previous: AtomicU32::new(NO_LINK),
            _unused: AtomicU32::new(0),
        };
        // SAFETY: the page is the caller's alone and has room for exactly so many descriptors; it is
        // aligned to more than a descriptor is.
        unsafe { start.add(index).write(empty) };
    }
    Some(DescriptorId(page.get() << PAGE_ORDER))
}

/// The descriptor that a link of a list leads to.
fn linked(link: u32) -> Option<DescriptorId> {
    (link != NO_LINK).then_some(DescriptorId(link))
}

/// A doubly linked list of descriptors.
pub(crate) struct List(u32);

impl List {
    pub(crate) const EMPTY: List = List(NO_LINK);

    /// The descriptor that was pushed last.
    #[inline]
    pub(crate) fn first(&self) -> Option<DescriptorId> {
        linked(self.0)
    }

    /// The descriptors, the one that was pushed last first.
    pub(crate) fn iter<P: Pages>(&self, pages: &P) -> impl Iterator<Item = DescriptorId> {
        let next = |&id: &DescriptorId| linked(descriptor(pages, id).next.load(Ordering::Relaxed));
        core::iter::successors(self.first(), next)
    }

    /// Puts a descriptor that is on no list in front.
    pub(crate) fn push<P: Pages>(&mut self, pages: &P, id: DescriptorId) {
        let new = descriptor(pages, id);
        new.previous.store(NO_LINK, Ordering::Relaxed);
        new.next.store(self.0, Ordering::Relaxed);
        if let Some(old) = self.first() {
            descriptor(pages, old)
                .previous
                .store(id.0, Ordering::Relaxed);
        }
        self.0 = id.0;
    }

    /// Takes a descriptor that is on this list off it.
    pub(crate) fn remove<P: Pages>(&mut self, pages: &P, id: DescriptorId) {
        let gone = descriptor(pages, id);
        let next = gone.next.load(Ordering::Relaxed);
        let previous = gone.previous.load(Ordering::Relaxed);
        if let Some(next) = linked(next) {
            descriptor(pages, next)
                .previous
                .store(previous, Ordering::Relaxed);
        }
        match linked(previous) {
            None => self.0 = next,
            Some(previous) => descriptor(pages, previous)
                .next
                .store(next, Ordering::Relaxed),
        }
    }
}
