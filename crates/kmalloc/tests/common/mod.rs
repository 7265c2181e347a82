//! Memory and an allocator over it.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../frames/tests/common/mod.rs"]
mod frames_common;

use frames::Pfn;
use frames_common::simple;
pub use frames_common::{Spin, TestFrames};
use kmalloc::{DirectMap, Kmalloc};
use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

pub type TestKmalloc = Kmalloc<Spin, DirectMap<Spin>, 2>;

/// An allocator over `pages` pages of real memory, for two CPUs, and where its pages are from.
/// Both stay for ever, as in a kernel.
pub fn make(pages: u32) -> (&'static TestKmalloc, &'static TestFrames) {
    let layout = Layout::from_size_align(pages as usize * 4096, 4096).unwrap();
    // SAFETY: the size is not zero.
    let ram = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for the test");
    let frames: &'static TestFrames = Box::leak(Box::new(simple(pages, 2)));
    // SAFETY: the memory is as long as the frames are many, is never freed, and is only used
    // through these frames.
    let map = unsafe { DirectMap::new(frames, Pfn::new(0x80000), ram) };
    (Box::leak(Box::new(Kmalloc::new(map))), frames)
}

/// Frees an object that the caller uses no more.
pub fn free(
    kmalloc: &TestKmalloc,
    cpu: usize,
    object: NonNull<u8>,
) -> Result<(), kmalloc::WrongFree> {
    // SAFETY: no test touches an object after this.
    unsafe { kmalloc.free(cpu, object) }
}

/// Fills the object with a pattern of its own.
pub fn fill(object: NonNull<u8>, size: usize) {
    for i in 0..size {
        // SAFETY: the object has `size` bytes and is the caller's.
        unsafe { object.add(i).write(pattern(object, i)) };
    }
}

/// Checks the pattern.
pub fn verify(object: NonNull<u8>, size: usize) {
    for i in 0..size {
        // SAFETY: the object has `size` bytes, which `fill` wrote.
        let byte = unsafe { object.add(i).read() };
        assert_eq!(
            byte,
            pattern(object, i),
            "byte {i} of the {size} at {object:?}"
        );
    }
}

fn pattern(object: NonNull<u8>, i: usize) -> u8 {
    (object.addr().get() >> 4) as u8 ^ (object.addr().get() >> 12) as u8 ^ i as u8
}
