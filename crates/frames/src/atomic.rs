//! Atomics that several CPUs use without a lock.

use core::ops::{Deref, DerefMut};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

/// An atomic; a test may switch threads at each use.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub(crate) struct Contended<A>(A);

impl<A> Deref for Contended<A> {
    type Target = A;

    #[inline(always)]
    fn deref(&self) -> &A {
        #[cfg(all(test, not(miri)))]
        crate::interleaved::point();
        &self.0
    }
}

impl<A> DerefMut for Contended<A> {
    fn deref_mut(&mut self) -> &mut A {
        &mut self.0
    }
}
