//! A reference-counted value on the heap.

use crate::AllocError;
use crate::kbox::allocate;
use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, align_of_val, size_of, size_of_val};
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

/// A count above this saturates: it stays near [`SATURATED`], and the value is never dropped. Otherwise
/// references that leak could wrap the count around and drop a value in use.
const MAX: usize = isize::MAX as usize;
/// Far from both ends of the range above [`MAX`].
const SATURATED: usize = MAX + MAX / 2;

/// An `Arc` with fallible allocation and without weak references.
///
/// The count is directly in front of the value, and a `KArc` is a pointer to the value itself.
///
/// ```
/// # use fallible::{AllocError, KArc};
/// let a = KArc::try_new("shared")?;
/// let b = a.clone();
/// assert!(KArc::ptr_eq(&a, &b));
/// assert_eq!((*b, KArc::strong_count(&a)), ("shared", 2));
/// # Ok::<(), AllocError>(())
/// ```
pub struct KArc<T: ?Sized> {
    value: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: every owner can reach the value and any can drop it, which `T: Send + Sync` allows; the
// count is atomic.
unsafe impl<T: ?Sized + Send + Sync> Send for KArc<T> {}
// SAFETY: as above; a shared `KArc` can be cloned into an owned one.
unsafe impl<T: ?Sized + Send + Sync> Sync for KArc<T> {}

/// The layout of count and value together, and the offset of the value.
fn layout_of(value: Layout) -> Result<(Layout, usize), AllocError> {
    let (both, offset) = Layout::new::<AtomicUsize>()
        .extend(value)
        .map_err(|_| AllocError)?;
    Ok((both.pad_to_align(), offset))
}

impl<T> KArc<T> {
    /// Moves `value` to the heap, with one owner; drops it if there is no memory.
    pub fn try_new(value: T) -> Result<KArc<T>, AllocError> {
        let (layout, offset) = layout_of(Layout::new::<T>())?;
        let start = allocate(layout)?;
        // SAFETY: `layout` has room for the value at `offset`, which is a multiple of its
        // alignment and at least the size of the count; the memory is nobody else's.
        let value = unsafe {
            let to = start.add(offset).cast::<T>();
            to.write(value);
            to.cast::<AtomicUsize>().sub(1).write(AtomicUsize::new(1));
            to
        };
        Ok(KArc {
            value,
            owns: PhantomData,
        })
    }
}

impl<T: ?Sized> KArc<T> {
    #[inline]
    fn count(&self) -> &AtomicUsize {
        // SAFETY: the count was written there in `try_new`, and lives as long as the value. The
        // value's offset is a multiple of both alignments, so the count is aligned.
        unsafe { self.value.cast::<AtomicUsize>().sub(1).as_ref() }
    }

    /// The number of owners, which may change meanwhile.
    #[inline]
    pub fn strong_count(this: &KArc<T>) -> usize {
        this.count().load(Ordering::Acquire)
    }

    /// Whether both own the same value.
    #[inline]
    pub fn ptr_eq(a: &KArc<T>, b: &KArc<T>) -> bool {
        core::ptr::addr_eq(a.value.as_ptr(), b.value.as_ptr())
    }

    /// The address of the value.
    #[inline]
    pub fn as_ptr(this: &KArc<T>) -> *const T {
        this.value.as_ptr()
    }

    /// The raw pointer, without decrementing the count; [`KArc::from_raw`] makes a `KArc` again.
    #[inline]
    pub fn into_raw(this: KArc<T>) -> *const T {
        ManuallyDrop::new(this).value.as_ptr()
    }

    /// The `KArc` of a pointer from [`KArc::into_raw`], which may have been cast to a trait object of the same value in
    /// between.
    ///
    /// # Safety
    /// The pointer came from [`KArc::into_raw`], and this is called at most once for each such call.
    #[inline]
    pub unsafe fn from_raw(pointer: *const T) -> KArc<T> {
        // SAFETY: a pointer from `into_raw` is not null.
        let value = unsafe { NonNull::new_unchecked(pointer.cast_mut()) };
        KArc {
            value,
            owns: PhantomData,
        }
    }

    #[cold]
    fn saturate(&self) {
        self.count().store(SATURATED, Ordering::Relaxed);
    }

    /// The slow path of `drop`, when the count was 1 or saturated: drops the value and frees its memory, or keeps
    /// the count saturated.
    ///
    /// # Safety
    /// The count was decremented from `before` for this owner, which is not used any more.
    #[cold]
    unsafe fn end(&mut self, before: usize) {
        if before > MAX {
            return self.saturate();
        }
        fence(Ordering::Acquire);
        // SAFETY: the last owner is going, so nobody else uses the value, which was not dropped yet.
        let (size, align) = unsafe {
            let value = self.value.as_ref();
            (size_of_val(value), align_of_val(value))
        };
        // SAFETY: as above.
        unsafe { self.value.drop_in_place() };
        let Ok((layout, offset)) = Layout::from_size_align(size, align)
            .map_err(|_| AllocError)
            .and_then(layout_of)
        else {
            return; // Not reached: the same sum came out when the value was made.
        };
        // SAFETY: `try_new` allocated with this layout, and put the value at this offset.
        unsafe {
            let start = self.value.cast::<u8>().sub(offset);
            alloc::alloc::dealloc(start.as_ptr(), layout);
        }
    }
}

impl<T: ?Sized> Clone for KArc<T> {
    #[inline]
    fn clone(&self) -> KArc<T> {
        // Relaxed: `self` keeps the value alive meanwhile.
        if self.count().fetch_add(1, Ordering::Relaxed) > MAX {
            self.saturate();
        }
        KArc {
            value: self.value,
            owns: PhantomData,
        }
    }
}

impl<T: ?Sized> Drop for KArc<T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire fence of the owner that drops the value.
        let before = self.count().fetch_sub(1, Ordering::Release);
        // With a sign, a count above `MAX` is below 1.
        if before as isize <= 1 {
            // SAFETY: this owner goes.
            unsafe { self.end(before) };
        }
    }
}

impl<T: ?Sized> Deref for KArc<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value lives while an owner does, and is only shared meanwhile.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for KArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

const _: () = assert!(size_of::<KArc<u8>>() == size_of::<usize>());

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;

    #[test]
    fn the_last_owner_drops_the_value() {
        let witness = Rc::new(());
        let a = KArc::try_new(witness.clone()).unwrap();
        let b = a.clone();
        assert_eq!(KArc::strong_count(&b), 2);
        drop(a);
        assert_eq!((Rc::strong_count(&witness), KArc::strong_count(&b)), (2, 1));
        drop(b);
        assert_eq!(Rc::strong_count(&witness), 1);
    }

    #[test]
    fn alignment_of_every_size_holds() {
        #[repr(align(256))]
        struct Wide(u8);
        let wide = KArc::try_new(Wide(9)).unwrap();
        assert_eq!((KArc::as_ptr(&wide).addr() % 256, wide.0), (0, 9));
        let tiny = KArc::try_new(3u8).unwrap();
        assert_eq!((*tiny, KArc::strong_count(&tiny)), (3, 1));
        drop(KArc::try_new(()).unwrap());
    }

    #[test]
    fn survives_the_trip_through_a_raw_trait_object() {
        let a = KArc::try_new(7u64).unwrap();
        let raw = KArc::into_raw(a.clone()) as *const dyn fmt::Debug;
        // SAFETY: the pointer is fresh from `into_raw`.
        let b: KArc<dyn fmt::Debug> = unsafe { KArc::from_raw(raw) };
        assert_eq!(
            (alloc::format!("{b:?}").as_str(), KArc::strong_count(&a)),
            ("7", 2)
        );
        drop(b);
        assert_eq!(KArc::strong_count(&a), 1);
    }

    #[test]
    fn a_saturated_count_stays() {
        let a = ManuallyDrop::new(KArc::try_new(1).unwrap());
        a.count().store(MAX + 1, Ordering::Relaxed);
        drop(KArc::clone(&a));
        assert!(
            KArc::strong_count(&a) > MAX,
            "count {}",
            KArc::strong_count(&a)
        );
        a.count().store(1, Ordering::Relaxed);
        drop(ManuallyDrop::into_inner(a));
    }
}
