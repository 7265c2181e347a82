//! kmalloc, and the kernel's global allocator on top of it and of the frame allocator.

use super::ram::{self, address_of, cpu, frame_of, frames};
use crate::sync::{RawSpin, rank};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use frames::{FRAME_SIZE, Pfn, order_for};
use kmalloc::{Kmalloc, Pages, Stats, size_for};

type Lock = RawSpin<{ rank::KMALLOC }>;

static KMALLOC: Kmalloc<Lock, DirectMap> = Kmalloc::new(DirectMap);

/// Pages of the frame allocator, seen through the direct map.
struct DirectMap;

// SAFETY: the frame allocator hands out no frame twice and marks only what it handed out; the
// direct map has every frame for ever; the word of a marked frame is changed by nobody.
unsafe impl Pages for DirectMap {
    #[inline]
    fn alloc(&self, cpu: usize, mark: u8, word: u32) -> Option<Pfn> {
        let page = ram::alloc(0)?;
        let place = frames().word(page);
        if let Some(place) = place {
            place.store(word, Ordering::Relaxed);
        }
        if place.is_none() || frames().mark(page, mark).is_err() {
            debug_assert!(false, "{page:?} of cpu {cpu} cannot be marked");
            ram::free(page, 0);
            return None;
        }
        Some(page)
    }

    #[inline]
    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool {
        frames().unmark(page, mark).is_ok() && frames().free(cpu, page, 0).is_ok()
    }

    #[inline]
    fn address(&self, page: Pfn) -> *mut u8 {
        address_of(page) as *mut u8
    }

    #[inline]
    fn frame(&self, address: *const u8) -> Pfn {
        frame_of(address as usize)
    }

    #[inline]
    fn marked(&self, page: Pfn) -> Option<u8> {
        frames().marked(page)
    }

    #[inline]
    fn word(&self, page: Pfn) -> Option<u32> {
        frames().word(page).map(|word| word.load(Ordering::Relaxed))
    }
}

/// Lets the frame allocator ask for empty slabs back.
pub fn init() {
    frames().register_shrinker(&KMALLOC);
}

/// An object of 1 to 4096 bytes, with any content.
pub fn kmalloc(bytes: usize) -> Option<NonNull<u8>> {
    KMALLOC.alloc(cpu(), bytes)
}

/// Gives an object back.
///
/// # Panics
/// If it is none that kmalloc gave, or was given back already.
pub fn kfree(object: NonNull<u8>) {
    // SAFETY: whoever gives an object back uses it no more; kmalloc checks that there is one.
    if let Err(error) = unsafe { KMALLOC.free(cpu(), object) } {
        panic!("{error}");
    }
}

/// Objects and pages of each size class.
pub fn stats() -> Stats {
    KMALLOC.stats()
}

/// Pages of objects and records, if the locks are free.
pub fn try_pages() -> Option<usize> {
    KMALLOC.try_pages()
}

/// Pages in blocks for the kernel itself.
static BLOCK_PAGES: AtomicUsize = AtomicUsize::new(0);

/// Pages in blocks for the kernel itself: what is too large for kmalloc, and memory of devices.
pub fn block_pages() -> usize {
    BLOCK_PAGES.load(Ordering::Relaxed)
}

/// A block of `1 << order` frames for the kernel itself.
#[cold]
pub fn alloc_block(order: usize) -> Option<Pfn> {
    let block = ram::alloc(order)?;
    BLOCK_PAGES.fetch_add(1 << order, Ordering::Relaxed);
    Some(block)
}

/// Gives such a block back.
///
/// # Panics
/// If it is none that was given out.
#[cold]
pub fn free_block(block: Pfn, order: usize) {
    ram::free(block, order);
    BLOCK_PAGES.fetch_sub(1 << order, Ordering::Relaxed);
}

struct KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// The order of the block for something that is too large for kmalloc.
fn block_order(layout: Layout) -> Option<usize> {
    order_for(layout.size().max(layout.align()).max(FRAME_SIZE))
}

// SAFETY: both allocators give memory that is nobody else's, aligned as `size_for` promises or, for
// blocks of frames, to their size; which of the two has it follows from the layout alone.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let object = match size_for(layout) {
            Some(size) => return kmalloc(size).map_or(ptr::null_mut(), NonNull::as_ptr),
            None => block_order(layout).and_then(alloc_block),
        };
        object.map_or(ptr::null_mut(), |pfn| address_of(pfn) as *mut u8)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match (size_for(layout), NonNull::new(pointer), block_order(layout)) {
            (Some(_), Some(object), _) => kfree(object),
            (None, Some(_), Some(order)) => free_block(frame_of(pointer as usize), order),
            _ => {}
        }
    }
}
