//! kmalloc, and the kernel's global allocator on top of it and of the frame allocator.

use super::commit::{self, Commit};
use super::ram::{self, KernelFrames, cpu, frame_of, frames, pointer_to};
use crate::sync::{RawSpin, SpinLock, rank};
use core::alloc::{GlobalAlloc, Layout};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use frames::{FRAME_SIZE, Pfn, order_for};
use kmalloc::{DirectMap, Kmalloc, Memory, Stats, size_for};

type Lock = RawSpin<{ rank::KMALLOC }>;

static KMALLOC: Kmalloc<Lock, DirectMap<Ram>> = Kmalloc::new(DirectMap::new(Ram));

/// Pages that kmalloc has at least, used or not: about as many as it needs when little runs, and some
/// more.
const LEAST: usize = 33;

/// The pages that kmalloc keeps for its next slabs, as a mempool of Linux's does. In how many slabs a
/// handful of objects lie depends on what ran before; what is left to programs does not.
struct Kept {
    pages: [Pfn; LEAST],
    count: usize,
    /// All of kmalloc's pages, these among them.
    held: usize,
}

static KEPT: SpinLock<Kept, { rank::KMALLOC_RESERVE }> = SpinLock::new(Kept {
    pages: [Pfn::new(0); LEAST],
    count: 0,
    held: 0,
});

impl Kept {
    fn take(&mut self) -> Option<Pfn> {
        let last = self.count.checked_sub(1)?;
        let page = *self.pages.get(last)?;
        self.count = last;
        Some(page)
    }

    /// Keeps a page that kmalloc does not use any more, if it has no more than the least.
    fn keep(&mut self, page: Pfn) -> bool {
        if self.held > LEAST {
            self.held -= 1;
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

/// A page for kmalloc.
fn take_page() -> Option<Pfn> {
    let kept = KEPT.lock().take();
    kept.or_else(|| {
        if !commit::try_add(1) {
            return None;
        }
        let page = ram::alloc(0);
        match page {
            Some(_) => KEPT.lock().held += 1,
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
        let kept = KEPT.lock().keep(page);
        kept || frames().free(cpu, page, 0).is_ok()
    }
}

/// Takes the pages that kmalloc keeps, and lets the frame allocator ask for empty slabs back.
pub fn init() {
    frames().register_shrinker(&KMALLOC);
    for _ in 0..LEAST {
        let Some(page) = ram::alloc(0).filter(|_| commit::try_add(1)) else {
            panic!("no memory for kmalloc");
        };
        let mut kept = KEPT.lock();
        kept.held += 1;
        if !kept.keep(page) {
            drop(kept);
            // SAFETY: it was allocated just now, and nobody uses it.
            return unsafe { ram::free(page, 0) };
        }
    }
}

/// Pages that kmalloc keeps and has no use for at the moment.
pub fn kept() -> usize {
    KEPT.lock().count
}

/// Gives back all pages that hold no object, but those that kmalloc keeps.
pub fn drain() {
    KMALLOC.drain();
}

/// An object of 1 to 4096 bytes, with any content.
pub fn kmalloc(bytes: usize) -> Option<NonNull<u8>> {
    KMALLOC.alloc(cpu(), bytes)
}

/// Gives an object back.
///
/// # Safety
/// Whoever got the object uses it no more.
///
/// # Panics
/// If it is none that kmalloc gave, or was given back already.
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

/// Pages in blocks for the kernel itself.
static BLOCK_PAGES: AtomicUsize = AtomicUsize::new(0);

/// Pages in blocks for the kernel itself: what is too large for kmalloc, and memory of devices.
pub fn block_pages() -> usize {
    BLOCK_PAGES.load(Ordering::Relaxed)
}

/// A block of `1 << order` frames for the kernel itself.
#[cold]
pub fn alloc_block(order: usize) -> Option<Pfn> {
    let commit = Commit::try_new(1 << order).ok()?;
    let block = ram::alloc(order)?;
    mem::forget(commit);
    BLOCK_PAGES.fetch_add(1 << order, Ordering::Relaxed);
    Some(block)
}

/// Gives such a block back.
///
/// # Safety
/// Whoever got the block uses it no more.
///
/// # Panics
/// If it is none that was given out.
#[cold]
pub unsafe fn free_block(block: Pfn, order: usize) {
    // SAFETY: the caller's promise.
    unsafe { ram::free(block, order) };
    commit::sub(1 << order);
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
