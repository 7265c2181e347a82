//! kmalloc, and the kernel's global allocator on top of it and of the frame allocator.

use super::ram::{self, address_of, frame_of};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use frames::FRAME_SIZE;

/// x
pub fn init() {}
/// x
pub fn kmalloc(bytes: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(bytes, 16).ok()?;
    // SAFETY: x
    NonNull::new(unsafe { GLOBAL.alloc(layout) })
}
/// x
pub fn kfree(object: NonNull<u8>) {
    ram::free(frame_of(object.as_ptr() as usize), 0);
}
/// x
pub fn slab_pages() -> usize {
    0
}
/// x
pub fn objects() -> usize {
    0
}

struct KernelHeap;

#[global_allocator]
static GLOBAL: KernelHeap = KernelHeap;

fn order(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align());
    bytes.div_ceil(FRAME_SIZE).next_power_of_two().trailing_zeros() as usize
}

// SAFETY: x
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match ram::alloc(order(layout)) {
            Some(pfn) => address_of(pfn) as *mut u8,
            None => ptr::null_mut(),
        }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ram::free(frame_of(pointer as usize), order(layout));
    }
}
