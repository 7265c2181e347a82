//! A lock, and memory to try the allocator on.
#![allow(dead_code, unreachable_pub)]

use frames::{Frames, Layout, Pfn};
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Locks that this thread holds.
pub fn held() -> usize {
    HELD.get()
}

/// A spin lock that lets others run while it waits, and counts.
pub struct Spin(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
unsafe impl lock_api::RawMutex for Spin {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Spin = Spin(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            std::thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        let got = !self.0.swap(true, Ordering::Acquire);
        HELD.set(HELD.get() + usize::from(got));
        got
    }

    unsafe fn unlock(&self) {
        HELD.set(HELD.get() - 1);
        self.0.store(false, Ordering::Release);
    }
}

/// How often to do something that is to be done `n` times: Miri takes a thousand times as long.
pub const fn rounds(n: usize) -> usize {
    if cfg!(miri) { n.div_ceil(100) } else { n }
}

/// Small numbers that look random, the same on each run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

pub type TestFrames = Frames<Spin>;

pub fn range(start: u32, end: u32) -> Range<Pfn> {
    Pfn::new(start)..Pfn::new(end)
}

/// An allocator over `usable` without `reserved`.
pub fn make(usable: &[Range<Pfn>], reserved: &[Range<Pfn>], cpus: usize) -> TestFrames {
    let layout = Layout { usable, reserved };
    // What was in the metadata before must not matter.
    let metadata = vec![0x5555_5555_5555_5555; layout.metadata_bytes() / 8].leak();
    Frames::new(&layout, metadata, cpus).expect("metadata of the size that was asked for")
}

/// How an allocator is made.
type New<A> = fn(&Layout<'_>, &'static mut [u64], usize) -> Option<A>;

/// An allocator that `new` makes, for as long as `work` runs, which keeps nothing of it.
pub fn with<A, R>(layout: &Layout<'_>, cpus: usize, new: New<A>, work: impl FnOnce(&A) -> R) -> R {
    let words = layout.metadata_bytes() / 8;
    let metadata = Box::into_raw(vec![0x5555_5555_5555_5555; words].into_boxed_slice());
    // SAFETY: the memory is nobody else's, and is freed only when the allocator is gone.
    let allocator = new(layout, unsafe { &mut *metadata }, cpus);
    let result = work(&allocator.expect("metadata of the size that was asked for"));
    // SAFETY: it came from a box, and the allocator that used it was moved and dropped above.
    drop(unsafe { Box::from_raw(metadata) });
    result
}

/// `frames` frames from 2 GiB on.
pub fn simple(frames: u32, cpus: usize) -> TestFrames {
    make(&[range(0x80000, 0x80000 + frames)], &[], cpus)
}
