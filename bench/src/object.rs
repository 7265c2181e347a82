//! A common interface of object allocators.

use crate::frame::buddy_slab;
use crate::knr::KernighanRitchie;
use crate::memory::{Locked, PAGE, region};
use buddy_slab_allocator::{BuddyAllocator, SlabAllocResult, SlabAllocator, SlabDeallocResult};
use frames::{Frames, Pfn};
use kmalloc::{DirectMap, Kmalloc, Region, WrongFree};
use lock_api::RawMutex;
use std::alloc::Layout;
use std::ptr::{NonNull, null_mut};

/// Memory of each allocator.
pub const BYTES: usize = 64 << 20;

/// An allocator of objects.
pub trait ObjectAlloc {
    /// Allocates `size` bytes, aligned to 16; null when out of memory.
    fn alloc(&self, cpu: usize, size: usize) -> *mut u8;

    /// The allocator's own result of freeing.
    type Freed;

    /// Frees an object.
    ///
    /// # Safety
    /// It came from `alloc` with that size and is no longer used.
    unsafe fn free(&self, cpu: usize, object: *mut u8, size: usize) -> Self::Freed;

    /// Whether freeing succeeded.
    fn is_freed(_: Self::Freed) -> bool {
        true
    }

    /// Pages held, including metadata; `None` if it owns all memory from the start.
    fn pages(&self) -> Option<usize> {
        None
    }

    /// Returns cached memory.
    fn drain(&self) {}
}

fn layout(size: usize) -> Layout {
    // SAFETY: 16 is a power of two, and no trace has sizes near the end of the address space.
    unsafe { Layout::from_size_align_unchecked(size, 16) }
}

/// Pagoda's.
pub struct Pagoda<R: RawMutex + 'static> {
    kmalloc: Kmalloc<R, DirectMap<Region<R>>, 1>,
    frames: &'static Frames<R>,
}

impl<R: RawMutex> Pagoda<R> {
    /// An allocator over Pagoda's frames.
    pub fn new() -> Pagoda<R> {
        let first = Pfn::new(0x80000);
        let layout = frames::Layout {
            usable: &[first..first.plus((BYTES / PAGE) as u32)],
            reserved: &[],
        };
        let metadata = vec![0; layout.metadata_bytes() / 8].leak();
        let frames = Frames::new(&layout, metadata, 1).expect("metadata of the size asked for");
        let frames: &'static Frames<R> = Box::leak(Box::new(frames));
        // SAFETY: the region has as many pages, stays, and is reached only through the frames.
        let region = unsafe { Region::new(frames, first, region(BYTES)) };
        Pagoda {
            kmalloc: Kmalloc::new(DirectMap::new(region)),
            frames,
        }
    }
}

impl<R: RawMutex> ObjectAlloc for Pagoda<R> {
    type Freed = Result<(), WrongFree>;

    #[inline]
    fn alloc(&self, cpu: usize, size: usize) -> *mut u8 {
        self.kmalloc
            .alloc(cpu, size)
            .map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&self, cpu: usize, object: *mut u8, _: usize) -> Self::Freed {
        // SAFETY: as the caller promises; no object is at null.
        unsafe { self.kmalloc.free(cpu, NonNull::new_unchecked(object)) }
    }

    fn is_freed(freed: Self::Freed) -> bool {
        freed.is_ok()
    }

    fn pages(&self) -> Option<usize> {
        Some(self.frames.total() - self.frames.free_count())
    }

    fn drain(&self) {
        self.kmalloc.drain();
    }
}

/// `buddy_system_allocator::Heap`.
pub struct BuddySystem(Locked<buddy_system_allocator::Heap<32>>);

impl BuddySystem {
    /// An allocator over its own region.
    pub fn new() -> BuddySystem {
        let mut heap = buddy_system_allocator::Heap::new();
        // SAFETY: the region is not used otherwise and is never freed.
        unsafe { heap.init(region(BYTES).as_ptr().addr(), BYTES) };
        BuddySystem(Locked::new(heap))
    }
}

impl ObjectAlloc for BuddySystem {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        let object = self.0.lock().alloc(layout(size));
        object.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, size: usize) {
        if let Some(object) = NonNull::new(object) {
            // SAFETY: as the caller promises.
            unsafe { self.0.lock().dealloc(object, layout(size)) };
        }
    }
}

/// The slabs of `buddy-slab-allocator` on top of its pages.
pub struct BuddySlab(Locked<(SlabAllocator, BuddyAllocator)>);

impl BuddySlab {
    /// An allocator over its own region.
    pub fn new() -> BuddySlab {
        BuddySlab(Locked::new((SlabAllocator::new(), buddy_slab(BYTES))))
    }
}

impl ObjectAlloc for BuddySlab {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        let (slabs, buddy) = &mut *self.0.lock();
        if size > 2048 {
            let pages = buddy.alloc_pages(size.div_ceil(PAGE), PAGE);
            return pages.map_or(null_mut(), |start| start as *mut u8);
        }
        loop {
            match slabs.alloc(layout(size)) {
                Ok(SlabAllocResult::Allocated(object)) => return object.as_ptr(),
                Ok(SlabAllocResult::NeedsSlab { size_class, pages }) => {
                    let Ok(start) = buddy.alloc_pages(pages, pages * PAGE) else {
                        return null_mut();
                    };
                    slabs.add_slab(size_class, start, pages * PAGE, 0);
                }
                Err(_) => return null_mut(),
            }
        }
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, size: usize) {
        let (slabs, buddy) = &mut *self.0.lock();
        if size > 2048 {
            buddy.dealloc_pages(object.addr(), size.div_ceil(PAGE));
            return;
        }
        if let Some(object) = NonNull::new(object)
            && let SlabDeallocResult::FreeSlab { base, pages } = slabs.dealloc(object, layout(size))
        {
            buddy.dealloc_pages(base, pages);
        }
    }

    fn pages(&self) -> Option<usize> {
        let (_, buddy) = &*self.0.lock();
        Some(buddy.total_pages() - buddy.free_pages())
    }
}

/// `talc`.
pub struct Talc(Locked<talc::base::Talc<talc::source::Manual, talc::DefaultBinning>>);

impl Talc {
    /// An allocator over its own region.
    pub fn new() -> Talc {
        let mut talc = talc::base::Talc::new(talc::source::Manual);
        // SAFETY: the region is not used otherwise and is never freed.
        let claimed = unsafe { talc.claim(region(BYTES).as_ptr(), BYTES) };
        assert!(claimed.is_some(), "the region suits the allocator");
        Talc(Locked::new(talc))
    }
}

impl ObjectAlloc for Talc {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        // SAFETY: the size is not zero.
        let object = unsafe { self.0.lock().allocate(layout(size)) };
        object.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.0.lock().deallocate(object, layout(size)) };
    }
}

/// `rlsf`.
pub struct Tlsf(Locked<rlsf::Tlsf<'static, u32, u32, 24, 32>>);

impl Tlsf {
    /// An allocator over its own region.
    pub fn new() -> Tlsf {
        let mut tlsf = rlsf::Tlsf::new();
        let pool = NonNull::slice_from_raw_parts(region(BYTES), BYTES);
        // SAFETY: the region is not used otherwise and is never freed.
        let added = unsafe { tlsf.insert_free_block_ptr(pool) };
        assert!(added.is_some(), "the region suits the allocator");
        Tlsf(Locked::new(tlsf))
    }
}

impl ObjectAlloc for Tlsf {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        let object = self.0.lock().allocate(layout(size));
        object.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, _: usize) {
        if let Some(object) = NonNull::new(object) {
            // SAFETY: as the caller promises.
            unsafe { self.0.lock().deallocate(object, 16) };
        }
    }
}

/// `linked_list_allocator`.
pub struct LinkedList(Locked<linked_list_allocator::Heap>);

impl LinkedList {
    /// An allocator over its own region.
    pub fn new() -> LinkedList {
        // SAFETY: the region is not used otherwise and is never freed.
        let heap = unsafe { linked_list_allocator::Heap::new(region(BYTES).as_ptr(), BYTES) };
        LinkedList(Locked::new(heap))
    }
}

impl ObjectAlloc for LinkedList {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        let object = self.0.lock().allocate_first_fit(layout(size));
        object.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, size: usize) {
        if let Some(object) = NonNull::new(object) {
            // SAFETY: as the caller promises.
            unsafe { self.0.lock().deallocate(object, layout(size)) };
        }
    }
}

/// mimalloc, which has per-thread heaps and no lock on these paths.
pub struct Mimalloc;

impl ObjectAlloc for Mimalloc {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        // SAFETY: any size will do.
        unsafe { libmimalloc_sys::mi_malloc(size).cast() }
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, _: usize) {
        // SAFETY: as the caller promises.
        unsafe { libmimalloc_sys::mi_free(object.cast()) };
    }
}

impl ObjectAlloc for Locked<KernighanRitchie> {
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, size: usize) -> *mut u8 {
        self.lock().alloc(size)
    }

    #[inline]
    unsafe fn free(&self, _: usize, object: *mut u8, _: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.lock().free(object) };
    }

    fn pages(&self) -> Option<usize> {
        Some(self.lock().pages())
    }
}
