//! Memory and an allocator over it.
#![allow(dead_code, unused_imports, unreachable_pub)]

#[path = "../../../frames/tests/common/mod.rs"]
mod frames_common;

use frames::Pfn;
pub use frames_common::{Numbers, Spin, TestFrames, rounds};
use frames_common::{held, simple};
use kmalloc::{DirectMap, Kmalloc, Pages, Region};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

pub type TestKmalloc = Kmalloc<Spin, Unlocked, 2>;

/// Pages that are asked for and given back only while no lock is held.
pub struct Unlocked(DirectMap<Region<Spin>>);

// SAFETY: all is done by the `DirectMap`.
unsafe impl Pages for Unlocked {
    fn alloc(&self, cpu: usize) -> Option<Pfn> {
        assert_eq!(held(), 0, "locks held while a page is asked for");
        self.0.alloc(cpu)
    }

    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool {
        assert_eq!(held(), 0, "locks held while a page is given back");
        self.0.free(cpu, page, mark)
    }

    fn mark(&self, page: Pfn, mark: u8, word: u32) -> bool {
        self.0.mark(page, mark, word)
    }

    fn remark(&self, page: Pfn, from: u8, to: u8) -> bool {
        self.0.remark(page, from, to)
    }

    fn address(&self, page: Pfn) -> *mut u8 {
        self.0.address(page)
    }

    fn page_of(&self, address: *const u8) -> Pfn {
        self.0.page_of(address)
    }

    fn marked(&self, page: Pfn) -> Option<u8> {
        self.0.marked(page)
    }

    fn word(&self, page: Pfn) -> Option<u32> {
        self.0.word(page)
    }
}

/// An allocator over `pages` pages of real memory, for two CPUs, and where its pages are from.
/// Both stay for ever, as in a kernel.
pub fn make(pages: u32) -> (&'static TestKmalloc, &'static TestFrames) {
    let layout = Layout::from_size_align(pages as usize * 4096, 4096).unwrap();
    // SAFETY: the size is not zero.
    let ram = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for the test");
    let frames: &'static TestFrames = Box::leak(Box::new(simple(pages, 2)));
    // SAFETY: the memory is as long as the frames are many, is never freed, and is only used
    // through these frames.
    let region = unsafe { Region::new(frames, Pfn::new(0x80000), ram) };
    (
        Box::leak(Box::new(Kmalloc::new(Unlocked(DirectMap::new(region))))),
        frames,
    )
}

/// The same for as long as `work` runs, which keeps nothing of it; it is told where the pages are.
pub fn with(pages: u32, work: impl FnOnce(&'static TestKmalloc, &'static TestFrames, NonNull<u8>)) {
    let layout = Layout::from_size_align(pages as usize * 4096, 4096).unwrap();
    // SAFETY: the size is not zero.
    let ram = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for the test");
    let all = [frames_common::range(0x80000, 0x80000 + pages)];
    let memory = frames::Layout {
        usable: &all,
        reserved: &[],
    };
    frames_common::with(&memory, 2, TestFrames::new, |frames| {
        // SAFETY: it goes when `frames_common::with` returns, and nobody has it then.
        let frames: &'static TestFrames = unsafe { NonNull::from(frames).as_ref() };
        // SAFETY: the memory is as long as the frames are many, is freed when nobody has the frames any
        // more, and is only used through them.
        let region = unsafe { Region::new(frames, Pfn::new(0x80000), ram) };
        let kmalloc = Box::new(Kmalloc::new(Unlocked(DirectMap::new(region))));
        // SAFETY: the same; of the box, only this is used until the end.
        work(unsafe { NonNull::from(&*kmalloc).as_ref() }, frames, ram);
    });
    // SAFETY: it was allocated with this layout.
    unsafe { dealloc(ram.as_ptr(), layout) };
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

/// Bytes that an object of the caller's has room for.
pub fn usable_size(kmalloc: &TestKmalloc, object: NonNull<u8>) -> Option<usize> {
    // SAFETY: a test is the only one to use its allocator.
    unsafe { kmalloc.usable_size(object) }
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
