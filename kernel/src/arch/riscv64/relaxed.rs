//! Cells that other harts may read.

use core::sync::atomic::{AtomicUsize, Ordering};

/// A `Cell<usize>` with one writer at a time, that other harts may read meanwhile. Loads and stores are relaxed,
/// so they compile to the same instructions as those of a `Cell`.
#[repr(transparent)]
pub struct RelaxedUsize(AtomicUsize);

impl RelaxedUsize {
    /// A cell with this value.
    pub const fn new(value: usize) -> RelaxedUsize {
        RelaxedUsize(AtomicUsize::new(value))
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the value.
    #[inline(always)]
    pub fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets the value; returns the one before. Not atomic.
    #[inline(always)]
    pub fn replace(&self, value: usize) -> usize {
        let before = self.get();
        self.set(value);
        before
    }
}

impl Clone for RelaxedUsize {
    fn clone(&self) -> RelaxedUsize {
        RelaxedUsize::new(self.get())
    }
}
