//! One value on the heap.

use crate::AllocError;
use alloc::boxed::Box;
use core::alloc::Layout;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
#[cfg(feature = "zerocopy")]
use zerocopy::{FromZeros, KnownLayout};

/// A `Box` without the constructors that abort when memory is short.
///
/// ```
/// # use fallible::{AllocError, KBox};
/// let mut b = KBox::try_new(41)?;
/// *b += 1;
/// assert_eq!(b.into_inner(), 42);
/// # Ok::<(), AllocError>(())
/// ```
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// Moves `value` to the heap; drops it if there is no memory.
    #[inline]
    pub fn try_new(value: T) -> Result<KBox<T>, AllocError> {
        KBox::try_new_with(|| value)
    }

    /// Allocates, then calls `make` and stores its result. The compiler can construct a large value in place instead
    /// of on the stack.
    ///
    /// ```
    /// let zeros = fallible::KBox::try_new_with(|| [0; 512])?;
    /// assert_eq!(zeros.len(), 512);
    /// # Ok::<(), fallible::AllocError>(())
    /// ```
    #[inline]
    pub fn try_new_with(make: impl FnOnce() -> T) -> Result<KBox<T>, AllocError> {
        let place = allocate(Layout::new::<T>())?.cast::<T>();
        // SAFETY: `place` was allocated just now with the layout of `T` (dangling but aligned for a zero-sized
        // type); `Box` frees with the same global allocator and layout.
        Ok(KBox(unsafe {
            place.write(make());
            Box::from_raw(place.as_ptr())
        }))
    }

    /// A value of zero bytes, allocated without passing through the stack. Needs the feature `zerocopy`.
    #[cfg(feature = "zerocopy")]
    pub fn try_new_zeroed() -> Result<KBox<T>, AllocError>
    where
        T: FromZeros,
    {
        T::new_box_zeroed().map(KBox).map_err(|_| AllocError)
    }

    /// Moves the value out of the heap.
    #[inline]
    pub fn into_inner(self) -> T {
        *self.0
    }
}

#[cfg(feature = "zerocopy")]
impl<T> KBox<[T]> {
    /// `len` values of zero bytes. Needs the feature `zerocopy`.
    ///
    /// ```
    /// let zeros = fallible::KBox::<[u32]>::try_new_zeroed_slice(3)?;
    /// assert_eq!(*zeros, [0, 0, 0]);
    /// # Ok::<(), fallible::AllocError>(())
    /// ```
    pub fn try_new_zeroed_slice(len: usize) -> Result<KBox<[T]>, AllocError>
    where
        T: FromZeros,
        [T]: KnownLayout<PointerMetadata = usize>,
    {
        <[T]>::new_box_zeroed_with_elems(len)
            .map(KBox)
            .map_err(|_| AllocError)
    }
}

impl<T: ?Sized> KBox<T> {
    /// The raw pointer, without dropping the value; [`KBox::from_raw`] makes a box again.
    #[inline]
    pub fn into_raw(this: KBox<T>) -> *mut T {
        Box::into_raw(this.0)
    }

    /// The box of a pointer from [`KBox::into_raw`], which may have been cast to a trait object of
    /// the same value in between.
    ///
    /// # Safety
    /// The pointer came from [`KBox::into_raw`] and no other box was made of it since.
    #[inline]
    pub unsafe fn from_raw(pointer: *mut T) -> KBox<T> {
        // SAFETY: a `KBox` is a `Box`, so the caller's promise is what `Box` asks for.
        KBox(unsafe { Box::from_raw(pointer) })
    }

    /// The address of the value.
    #[inline]
    pub fn as_ptr(this: &KBox<T>) -> *const T {
        &raw const *this.0
    }

    /// Leaks the value.
    #[inline]
    pub fn leak<'a>(this: KBox<T>) -> &'a mut T
    where
        T: 'a,
    {
        Box::leak(this.0)
    }
}

/// Memory of this layout; a well-aligned dangling pointer when the layout has no size.
#[inline]
pub(crate) fn allocate(layout: Layout) -> Result<NonNull<u8>, AllocError> {
    if layout.size() == 0 {
        return Ok(layout.dangling_ptr());
    }
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc::alloc::alloc(layout) }).ok_or(AllocError)
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: ?Sized + PartialEq> PartialEq for KBox<T> {
    fn eq(&self, other: &KBox<T>) -> bool {
        self.0 == other.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for KBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;

    #[test]
    fn drops_the_value_once() {
        let count = Rc::new(());
        let boxed = KBox::try_new(count.clone()).unwrap();
        assert_eq!(Rc::strong_count(&count), 2);
        drop(boxed);
        assert_eq!(Rc::strong_count(&count), 1);
    }

    #[test]
    fn survives_the_trip_through_a_raw_trait_object() {
        let raw = KBox::into_raw(KBox::try_new(7u64).unwrap());
        // SAFETY: the pointer is fresh from `into_raw`.
        let debug: KBox<dyn fmt::Debug> = unsafe { KBox::from_raw(raw as *mut dyn fmt::Debug) };
        assert_eq!(alloc::format!("{debug:?}"), "7");
    }

    #[cfg(feature = "zerocopy")]
    #[test]
    fn zeroed_values_may_be_large() {
        // Miri takes its time for 8 MiB.
        const WORDS: usize = if cfg!(miri) { 1 << 10 } else { 1 << 20 };
        let big = KBox::<[u64; WORDS]>::try_new_zeroed().unwrap();
        assert!(big.iter().all(|&word| word == 0));
        let slice = KBox::<[u16]>::try_new_zeroed_slice(1000).unwrap();
        assert_eq!((slice.len(), slice[999]), (1000, 0));
    }

    #[test]
    fn values_without_size_take_no_memory() {
        assert_eq!(KBox::try_new(()).map(KBox::into_inner), Ok(()));
    }

    #[cfg(feature = "zerocopy")]
    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where an allocation should fail")]
    fn a_size_beyond_all_memory_is_an_error() {
        assert!(KBox::<[u64]>::try_new_zeroed_slice(usize::MAX / 16).is_err());
        assert!(KBox::<[u64]>::try_new_zeroed_slice(usize::MAX).is_err());
    }
}
