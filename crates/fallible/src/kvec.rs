//! A vector.

use crate::AllocError;
use alloc::vec::{self, Vec};
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A `Vec` without the methods that abort when memory is short, or panic on a wrong index.
///
/// ```
/// # use fallible::{AllocError, KVec};
/// let mut v = KVec::new();
/// v.try_push(1)?;
/// v.try_push(2)?;
/// assert_eq!((v.remove(5), v.remove(0), v.as_slice()), (None, Some(1), &[2][..]));
/// # Ok::<(), AllocError>(())
/// ```
pub struct KVec<T>(Vec<T>);

impl<T> KVec<T> {
    /// An empty vector. Does not allocate.
    #[inline]
    pub const fn new() -> KVec<T> {
        KVec(Vec::new())
    }

    /// An empty vector with room for `capacity` values.
    pub fn try_with_capacity(capacity: usize) -> Result<KVec<T>, AllocError> {
        let mut new = KVec::new();
        new.try_reserve_exact(capacity)?;
        Ok(new)
    }

    /// Reserves room for `more` values, so that the next `more` pushes cannot fail. Grows geometrically, so that
    /// pushes take amortized constant time.
    #[inline]
    pub fn try_reserve(&mut self, more: usize) -> Result<(), AllocError> {
        self.0.try_reserve(more).map_err(|_| AllocError)
    }

    /// Reserves room for `more` values, without room for further ones if the allocator allows.
    #[inline]
    pub fn try_reserve_exact(&mut self, more: usize) -> Result<(), AllocError> {
        self.0.try_reserve_exact(more).map_err(|_| AllocError)
    }

    /// Appends `value`; drops it if there is no memory.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), AllocError> {
        self.try_reserve(1)?;
        self.0.push(value);
        Ok(())
    }

    /// Appends `value` without allocating; returns it if there is no room: the second half of "reserve, then
    /// commit".
    ///
    /// ```
    /// # use fallible::{AllocError, KVec};
    /// let mut v = KVec::new();
    /// v.try_reserve(2)?; // all that can fail comes first
    /// assert_eq!((v.push_reserved('a'), v.push_reserved('b')), (Ok(()), Ok(())));
    /// # Ok::<(), AllocError>(())
    /// ```
    #[inline]
    pub fn push_reserved(&mut self, value: T) -> Result<(), T> {
        if self.0.len() == self.0.capacity() {
            return Err(value);
        }
        self.0.push(value);
        Ok(())
    }

    /// Inserts `value` at `index`, or at the end if the index is larger.
    pub fn try_insert(&mut self, index: usize, value: T) -> Result<(), AllocError> {
        self.try_reserve(1)?;
        self.0.insert(index.min(self.0.len()), value);
        Ok(())
    }

    /// Appends copies of `values`, all or none.
    pub fn try_extend_from_slice(&mut self, values: &[T]) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.try_reserve(values.len())?;
        self.0.extend_from_slice(values);
        Ok(())
    }

    /// Changes the length to `len`; new values are copies of `value`.
    pub fn try_resize(&mut self, len: usize, value: T) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.try_reserve(len.saturating_sub(self.0.len()))?;
        self.0.resize(len, value);
        Ok(())
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<KVec<T>, AllocError>
    where
        T: Clone,
    {
        let mut copy = KVec::new();
        copy.try_reserve_exact(self.len())?;
        copy.0.extend_from_slice(self);
        Ok(copy)
    }

    /// Removes and returns the last value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Removes and returns the value at `index`, shifting the later ones; `None` past the end.
    #[inline]
    pub fn remove(&mut self, index: usize) -> Option<T> {
        (index < self.0.len()).then(|| self.0.remove(index))
    }

    /// Removes and returns the value at `index`, moving the last one there; `None` past the end.
    #[inline]
    pub fn swap_remove(&mut self, index: usize) -> Option<T> {
        (index < self.0.len()).then(|| self.0.swap_remove(index))
    }

    /// Keeps the values for which `keep` returns true, in order.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Drops all values beyond the first `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Drops all values and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Frees unused capacity by moving to a smaller allocation, if there is memory for it.
    pub fn shrink(&mut self) {
        if self.0.is_empty() {
            self.0 = Vec::new();
        } else if self.0.capacity() > self.0.len()
            && let Ok(mut exact) = KVec::try_with_capacity(self.0.len())
        {
            exact.0.append(&mut self.0);
            *self = exact;
        }
    }

    /// Values that fit without reallocation.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// The values.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The values, mutable.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> Default for KVec<T> {
    fn default() -> KVec<T> {
        KVec::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;
    fn into_iter(self) -> vec::IntoIter<T> {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;
    fn into_iter(self) -> core::slice::Iter<'a, T> {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut KVec<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;
    fn into_iter(self) -> core::slice::IterMut<'a, T> {
        self.0.iter_mut()
    }
}

impl<T: fmt::Debug> fmt::Debug for KVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for KVec<T> {
    fn eq(&self, other: &KVec<T>) -> bool {
        self.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u32]) -> KVec<u32> {
        let mut v = KVec::new();
        v.try_extend_from_slice(values).unwrap();
        v
    }

    #[test]
    fn wrong_indices_change_nothing() {
        let mut v = of(&[1, 2, 3]);
        assert_eq!((v.remove(3), v.swap_remove(3)), (None, None));
        assert_eq!(v.as_slice(), [1, 2, 3]);
        v.try_insert(99, 4).unwrap();
        v.try_insert(0, 0).unwrap();
        assert_eq!(v.as_slice(), [0, 1, 2, 3, 4]);
        assert_eq!((v.swap_remove(0), v.remove(1)), (Some(0), Some(1)));
        assert_eq!(v.as_slice(), [4, 2, 3]);
    }

    #[test]
    fn what_was_reserved_cannot_fail() {
        let mut v = KVec::try_with_capacity(2).unwrap();
        let room = v.capacity();
        for i in 0..room {
            assert_eq!(v.push_reserved(i), Ok(()));
        }
        assert_eq!((v.push_reserved(77), v.len()), (Err(77), room));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where an allocation should fail")]
    fn asking_for_too_much_is_an_error_and_leaves_no_trace() {
        let mut v = of(&[5]);
        assert_eq!(v.try_reserve(usize::MAX), Err(AllocError));
        assert_eq!(v.try_resize(usize::MAX / 8, 0), Err(AllocError));
        assert_eq!(v.as_slice(), [5]);
        assert_eq!(v.try_clone().unwrap(), v);
    }
}
