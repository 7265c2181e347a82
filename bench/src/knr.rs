//! The allocator of The C Programming Language, on pages, as in a kernel course: a circular free
//! list sorted by address, 16-byte headers; first fit from the end of a block; neighbours are
//! merged on free.

use crate::memory::{PAGE, region};
use crate::object::BYTES;
use std::ptr::{NonNull, null_mut};

/// A block's header; sizes are in headers.
#[repr(C, align(16))]
struct Header {
    next: *mut Header,
    units: usize,
}

const UNIT: usize = size_of::<Header>();

/// The free list, and the unused pages.
pub struct KernighanRitchie {
    /// A free block, where the next search starts.
    at: *mut Header,
    /// The first unused page.
    fresh: *mut u8,
    left: usize,
}

// SAFETY: the blocks belong to the allocator alone, wherever it goes.
unsafe impl Send for KernighanRitchie {}

impl KernighanRitchie {
    /// An allocator without pages.
    pub fn new() -> KernighanRitchie {
        let anchor: *mut Header = Box::leak(Box::new(Header {
            next: null_mut(),
            units: 0,
        }));
        // SAFETY: it was just made.
        unsafe { (*anchor).next = anchor };
        KernighanRitchie {
            at: anchor,
            fresh: region(BYTES).as_ptr(),
            left: BYTES / PAGE,
        }
    }

    /// Allocates `size` bytes; null when out of pages.
    pub fn alloc(&mut self, size: usize) -> *mut u8 {
        let units = size.div_ceil(UNIT) + 1;
        let mut before = self.at;
        // SAFETY: the list holds free blocks, and its anchor, only; a free block has its header
        // and as many units of memory as that says, which are the allocator's.
        unsafe {
            loop {
                let block = (*before).next;
                if (*block).units >= units {
                    return self.carve(before, block, units);
                }
                if block == self.at {
                    match self.more() {
                        Some(page) => self.free(page.as_ptr()),
                        None => return null_mut(),
                    }
                    before = self.at;
                } else {
                    before = block;
                }
            }
        }
    }

    /// Splits `units` off the end of a block.
    ///
    /// # Safety
    /// `before` and `block` are neighbours on the list.
    unsafe fn carve(&mut self, before: *mut Header, block: *mut Header, units: usize) -> *mut u8 {
        self.at = before;
        // SAFETY: as for `alloc`; what is cut off lies within the block.
        unsafe {
            let mut taken = block;
            if (*block).units == units {
                (*before).next = (*block).next;
            } else {
                (*block).units -= units;
                taken = block.add((*block).units);
                (*taken).units = units;
            }
            taken.add(1).cast()
        }
    }

    /// Pages used; none is ever returned.
    pub fn pages(&self) -> usize {
        BYTES / PAGE - self.left
    }

    /// Gets a page, as a block in use.
    fn more(&mut self) -> Option<NonNull<u8>> {
        self.left = self.left.checked_sub(1)?;
        let header = self.fresh.cast::<Header>();
        // SAFETY: the page is one of those left.
        unsafe {
            self.fresh = self.fresh.add(PAGE);
            (*header).units = PAGE / UNIT;
            NonNull::new(header.add(1).cast())
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// It came from `alloc` and is no longer used.
    pub unsafe fn free(&mut self, block: *mut u8) {
        // SAFETY: as for `alloc`, and the block has its header in front.
        unsafe {
            let block = block.cast::<Header>().sub(1);
            let mut before = self.at;
            while !(before < block && block < (*before).next) {
                let is_last = before >= (*before).next;
                if is_last && (before < block || block < (*before).next) {
                    break;
                }
                before = (*before).next;
            }
            let next = (*before).next;
            if block.add((*block).units) == next {
                (*block).units += (*next).units;
                (*block).next = (*next).next;
            } else {
                (*block).next = next;
            }
            if before.add((*before).units) == block {
                (*before).units += (*block).units;
                (*before).next = (*block).next;
            } else {
                (*before).next = block;
            }
            self.at = before;
        }
    }
}
