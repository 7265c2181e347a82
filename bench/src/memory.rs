//! Common to all allocators: locks, memory, random numbers.

use lock_api::{GuardNoSend, RawMutex};
use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a page frame.
pub const PAGE: usize = 4096;

/// A minimal spin lock: an atomic exchange to lock, a store to unlock. Never contended here.
pub struct Spin(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
unsafe impl RawMutex for Spin {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Spin = Spin(AtomicBool::new(false));
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        while !self.try_lock() {
            std::hint::spin_loop();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// No lock, for a single thread: compares only the allocators.
pub struct Alone;

// SAFETY: one thread runs the traces, and takes no lock that it holds.
unsafe impl RawMutex for Alone {
    const INIT: Alone = Alone;
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {}

    #[inline]
    fn try_lock(&self) -> bool {
        true
    }

    #[inline]
    unsafe fn unlock(&self) {}
}

/// A value behind that lock.
pub type Locked<T> = lock_api::Mutex<Alone, T>;

/// `bytes` of zeroed memory, aligned to 4 MiB, never freed.
pub fn region(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes, 4 << 20).expect("a sensible size");
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for the benchmark")
}

/// Deterministic pseudo-random numbers.
pub struct Numbers(u64);

impl Numbers {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (((self.0 >> 32) * n as u64) >> 32) as usize
    }

    /// Shuffles the items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
