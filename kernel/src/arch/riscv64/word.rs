//! Words of a hart's or a thread's own.

use core::sync::atomic::{AtomicUsize, Ordering};

/// A word that one hart uses at a time, and that others may look at: they see some value that it had. Used as a
/// `Cell` is, by the same instructions.
#[repr(transparent)]
pub struct Word(AtomicUsize);

impl Word {
    /// A word with this value.
    pub const fn new(value: usize) -> Word {
        Word(AtomicUsize::new(value))
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

    /// Sets the value and gives the one before.
    #[inline(always)]
    pub fn replace(&self, value: usize) -> usize {
        let before = self.get();
        self.set(value);
        before
    }
}

impl Clone for Word {
    fn clone(&self) -> Word {
        Word::new(self.get())
    }
}
