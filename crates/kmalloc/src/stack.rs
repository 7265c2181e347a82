//! A stack of fixed capacity.

use core::mem::MaybeUninit;

/// At most `N` items.
pub(crate) struct Stack<T, const N: usize> {
    len: usize,
    /// The first `len` of these are items.
    items: [MaybeUninit<T>; N],
}

impl<T: Copy, const N: usize> Stack<T, N> {
    /// Without items.
    #[inline]
    pub(crate) const fn new() -> Stack<T, N> {
        Stack {
            len: 0,
            items: [const { MaybeUninit::uninit() }; N],
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an item; false when the stack is full.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> bool {
        let Some(slot) = self.items.get_mut(self.len) else {
            return false;
        };
        slot.write(item);
        self.len += 1;
        true
    }

    /// Removes the item that was pushed last.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = *self.as_slice().last()?;
        self.len -= 1;
        Some(item)
    }

    /// The items, oldest first.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        let items = self.items.get(..self.len).unwrap_or(&[]);
        // SAFETY: so many were written by `push`.
        unsafe { items.assume_init_ref() }
    }
}
