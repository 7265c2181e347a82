//! kmalloc, and the kernel's global allocator: kmalloc for up to a page, else blocks of frames.

use super::commit::{self, Commit};
use super::ram::{self, KernelFrames, cpu, frame_of, frames, pointer_to};
use crate::sync::{RawSpin, SpinLock, rank};
use abi::Use;
use core::alloc::{GlobalAlloc, Layout};
use core::mem;
use core::ptr::{self, NonNull};
use frames::{FRAME_SIZE, Pfn, order_for};
use kmalloc::{DirectMap, Kmalloc, Memory, Stats, size_for};

type Lock = RawSpin<{ rank::KMALLOC }>;

static KMALLOC: Kmalloc<Lock, DirectMap<Ram>> = Kmalloc::new(DirectMap::new(Ram));

/// Minimum pages of kmalloc, in use or in the reserve: somewhat more than an idle system needs.
const MIN_PAGES: usize = 31;

/// The reserve of empty pages for kmalloc's next slabs, like a Linux mempool. The number of slabs that a few
/// objects occupy depends on what ran before; with a reserve, the pages left to programs do not.
struct PageReserve {
    pages: [Pfn; MIN_PAGES],
    count: usize,
    /// All pages of kmalloc, including the reserve.
    total: usize,
}

static PAGE_RESERVE: SpinLock<PageReserve, { rank::KMALLOC_RESERVE }> =
    SpinLock::new(PageReserve {
        pages: [Pfn::new(0); MIN_PAGES],
        count: 0,
        total: 0,
    });

impl PageReserve {
    fn take(&mut self) -> Option<Pfn> {
        let last = self.count.checked_sub(1)?;
        let page = *self.pages.get(last)?;
        self.count = last;
        Some(page)
    }

    /// Puts an unused page into the reserve, unless kmalloc has more than the minimum; returns whether it did.
    fn put(&mut self, page: Pfn) -> bool {
        if self.total > MIN_PAGES {
            self.total -= 1;
            commit::sub(1);
            return false;
        }
        if let Some(place) = self.pages.get_mut(self.count) {
            *place = page;
            self.count += 1;
        }
        true
    }
}

/// Allocates a page for kmalloc, from the reserve if possible.
fn take_page() -> Option<Pfn> {
    let reserved = PAGE_RESERVE.lock().take();
    reserved.or_else(|| {
        if !commit::try_add(1) {
            return None;
        }
        let page = ram::alloc(0, Use::Slab);
        match page {
            Some(_) => PAGE_RESERVE.lock().total += 1,
            None => commit::sub(1),
        }
        page
    })
}

/// This machine's RAM, for kmalloc.
struct Ram;

// SAFETY: the frame allocator hands out no frame twice, and kmalloc alone marks frames; the direct map has
// every frame for ever.
unsafe impl Memory for Ram {
    type Marks = KernelFrames;

    #[inline(always)]
    fn marks(&self) -> &KernelFrames {
        frames()
    }

    #[inline(always)]
    fn start(&self) -> *mut u8 {
        pointer_to(Pfn::new(0))
    }

    fn alloc(&self, _cpu: usize) -> Option<Pfn> {
        take_page()
    }

    fn free(&self, cpu: usize, page: Pfn) -> bool {
        let reserved = PAGE_RESERVE.lock().put(page);
        reserved || frames().free(cpu, page, 0).is_ok()
    }
}

/// Fills the reserve, and registers kmalloc's shrinker.
pub fn init() {
    frames().register_shrinker(&KMALLOC);
    for _ in 0..MIN_PAGES {
        let Some(page) = ram::alloc(0, Use::Slab).filter(|_| commit::try_add(1)) else {
            panic!("no memory for kmalloc");
        };
        let mut reserve = PAGE_RESERVE.lock();
        reserve.total += 1;
        if !reserve.put(page) {
            drop(reserve);
            // SAFETY: it was allocated just now, and nobody uses it.
            return unsafe { ram::free(page, 0) };
        }
    }
}

/// Pages in the reserve.
pub fn reserve_pages() -> usize {
    PAGE_RESERVE.lock().count
}

/// Frees all empty pages of kmalloc except the reserve.
pub fn drain() {
    KMALLOC.drain();
}

/// Allocates an object of 1 to 4096 bytes, with undefined contents; `None` if there is no memory, for 0 bytes and
/// for more than 4096.
pub fn kmalloc(bytes: usize) -> Option<NonNull<u8>> {
    KMALLOC.alloc(cpu(), bytes)
}

/// Frees an object.
///
/// # Safety
/// Nobody uses the object any more.
///
/// # Panics
/// If it is not a kmalloc object, or is free already.
pub unsafe fn kfree(object: NonNull<u8>) {
    // SAFETY: the caller's promise.
    if let Err(error) = unsafe { KMALLOC.free(cpu(), object) } {
        panic!("{error}");
    }
}

/// Objects and pages of each size class.
pub fn stats() -> Stats {
    KMALLOC.stats()
}

/// Pages of objects and descriptors, if the locks are free.
pub fn try_pages() -> Option<usize> {
    KMALLOC.try_pages()
}

/// Allocates a block of `1 << order` frames for the kernel.
#[cold]
pub fn alloc_block(order: usize) -> Option<Pfn> {
    let commit = Commit::try_new(1 << order).ok()?;
    let block = ram::alloc(order, Use::Kernel)?;
    mem::forget(commit);
    Some(block)
}

/// Frees a block from [`alloc_block`].
///
/// # Safety
/// Nobody uses the block any more.
///
/// # Panics
/// If it is not an allocated block of this order.
#[cold]
pub unsafe fn free_block(block: Pfn, order: usize) {
    // SAFETY: the caller's promise.
    unsafe { ram::free(block, order) };
    commit::sub(1 << order);
}

struct KernelHeap;

/// The kernel's own allocations take at least this: it has few smaller objects, and each of their size classes
/// would take a page.
const SMALLEST: usize = 64;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// The order of the block for an allocation that is too large for kmalloc.
fn block_order(layout: Layout) -> Option<usize> {
    order_for(layout.size().max(layout.align()).max(FRAME_SIZE))
}

// SAFETY: both allocators give memory that is nobody else's, aligned as `size_for` promises or, for
// blocks of frames, to their size; which of the two has it follows from the layout alone.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let object = match size_for(layout) {
            Some(size) => {
                let object = kmalloc(size.max(SMALLEST));
                return object.map_or(ptr::null_mut(), NonNull::as_ptr);
            }
            None => block_order(layout).and_then(alloc_block),
        };
        object.map_or(ptr::null_mut(), pointer_to)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: `alloc` gave the pointer for this layout.
        unsafe {
            match (size_for(layout), NonNull::new(pointer), block_order(layout)) {
                (Some(_), Some(object), _) => kfree(object),
                (None, Some(_), Some(order)) => free_block(frame_of(pointer.addr()), order),
                _ => {}
            }
        }
    }
}
