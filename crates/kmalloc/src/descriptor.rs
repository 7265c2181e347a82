//! Slab descriptors: the state of the objects in a slab. They are in pages of their own, out of reach of an
//! overrun.
//!
//! A descriptor has two bits for each of up to 64 objects: *live*, the object is allocated, and *free*, it is in the
//! slab. An object with neither bit is in a magazine, or on the way there or back.

use crate::pages::Pages;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use frames::{FRAME_SIZE, Pfn};

/// Descriptors in a page of descriptors, as a power of two.
pub(crate) const PAGE_ORDER: u32 = (FRAME_SIZE / size_of::<Descriptor>()).trailing_zeros();
/// Index of the last descriptor of a page; also the mask of the index in an id.
const LAST: u32 = (1 << PAGE_ORDER) - 1;
/// The end of a list. As an id it would be in the last page that ids can name, which is never used.
const NO_LINK: u32 = u32::MAX;

/// The location of a descriptor: page frame number, then index in the page.
///
/// An id exists only while the descriptor does, from [`prepare`] of its page until the page is freed; so looking up a
/// descriptor is safe, and freeing its page is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorId(u32);

impl DescriptorId {
    /// The number for the word of a page.
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

    /// The `n`th next descriptor in the same page, wrapping around.
    #[inline]
    pub(crate) fn plus(self, n: u32) -> DescriptorId {
        DescriptorId(self.0 & !LAST | self.0.wrapping_add(n) & LAST)
    }

    /// The first descriptor of its slab, if each slab has `count` of them: 1, 2 or 4.
    pub(crate) fn first_of(self, count: u32) -> DescriptorId {
        DescriptorId(self.0 & !(count - 1))
    }

    /// Its index among the `count` descriptors of its slab.
    pub(crate) fn number_of(self, count: u32) -> u32 {
        self.0 & (count - 1)
    }
}

/// A descriptor. The live bits change at any time, the other fields under the lock of the slab cache or pool that has
/// the descriptor. All are atomic, so that a shared reference is enough.
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

/// The bit of the object at `address`: the index of the 64-byte block of the page that it starts in.
#[inline(always)]
pub(crate) const fn bit(address: usize) -> u32 {
    (address / 64 % 64) as u32
}

impl Descriptor {
    /// Initializes it for objects of `page`: those with a bit in `free` are free, none is live.
    pub(crate) fn reset(&self, free: u64, page: Pfn) {
        self.live.store(0, Ordering::Relaxed);
        self.set_free(free);
        self.page.store(page.get(), Ordering::Relaxed);
    }

    /// Number of live objects.
    pub(crate) fn count_live(&self) -> u32 {
        self.live.load(Ordering::Relaxed).count_ones()
    }

    /// Sets the live bit of the object at `address`; returns whether it was clear.
    #[inline(always)]
    pub(crate) fn set_live(&self, address: usize) -> bool {
        let bit = 1 << bit(address);
        self.live.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Clears the live bit of the object at `address`; returns whether it was set. Of two concurrent calls, one
    /// returns true.
    #[inline(always)]
    pub(crate) fn clear_live(&self, address: usize) -> bool {
        let bit = 1 << bit(address);
        self.live.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// The free bits.
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

    /// All 128 bits, of a descriptor that is the header of a page in a pool.
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
    // SAFETY: an id exists only while its descriptor does.
    unsafe { descriptor_at(pages, id.0, 0) }
}

/// The descriptor `offset` bytes after the one with id `word`.
///
/// # Safety
/// The number came from [`DescriptorId::word`], the page of that id is not freed, and there is a descriptor at
/// `offset`.
#[inline(always)]
pub(crate) unsafe fn descriptor_at<P: Pages>(pages: &P, word: u32, offset: u32) -> &Descriptor {
    // An id is the physical address divided by the size of a descriptor.
    let addr = u64::from(word) * size_of::<Descriptor>() as u64 + u64::from(offset);
    // SAFETY: the caller's promise; `prepare` made a descriptor there, whose fields are atomic.
    unsafe { &*pages.byte(addr).cast::<Descriptor>() }
}

/// The id of a descriptor.
#[inline]
pub(crate) fn id_of<P: Pages>(pages: &P, descriptor: &Descriptor) -> DescriptorId {
    let start = core::ptr::from_ref(descriptor).cast::<u8>();
    let index = start.addr() % FRAME_SIZE / size_of::<Descriptor>();
    DescriptorId(pages.page_of(start).get() << PAGE_ORDER | index as u32)
}

/// Makes descriptors in a page; returns the id of the first, or `None` if the frame number is too large for ids.
///
/// # Safety
/// The page is from `pages`, and nobody else uses it until it is freed. Then nobody has an id of a descriptor in it, or
/// a reference to one.
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
        // SAFETY: nobody else uses the page, which has room for exactly so many descriptors and is aligned.
        unsafe { start.add(index).write(empty) };
    }
    Some(DescriptorId(page.get() << PAGE_ORDER))
}

/// The id in a link of a list.
fn linked(link: u32) -> Option<DescriptorId> {
    (link != NO_LINK).then_some(DescriptorId(link))
}

/// A doubly linked list of descriptors.
pub(crate) struct List(u32);

impl List {
    pub(crate) const EMPTY: List = List(NO_LINK);

    /// The first descriptor: the one pushed last.
    #[inline]
    pub(crate) fn first(&self) -> Option<DescriptorId> {
        linked(self.0)
    }

    /// The descriptors, the one pushed last first.
    pub(crate) fn iter<P: Pages>(&self, pages: &P) -> impl Iterator<Item = DescriptorId> {
        let next = |&id: &DescriptorId| linked(descriptor(pages, id).next.load(Ordering::Relaxed));
        core::iter::successors(self.first(), next)
    }

    /// Inserts a descriptor that is on no list at the front.
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

    /// Removes a descriptor that is on this list.
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
