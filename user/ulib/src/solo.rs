//! Global state of a single-threaded program.

use core::ops::Deref;

/// A value in a `static` that is not `Sync`. Sound because a program has one thread and no signal
/// handlers.
pub(crate) struct Solo<T>(T);

impl<T> Solo<T> {
    pub(crate) const fn new(value: T) -> Solo<T> {
        Solo(value)
    }
}

// SAFETY: the kernel runs exactly one thread in an address space and interrupts it only to switch
// to another process, so a shared reference never meets another thread.
unsafe impl<T> Sync for Solo<T> {}

impl<T> Deref for Solo<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
