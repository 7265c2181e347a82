//! A stack of fixed size.

/// At most `N` items.
#[derive(Clone, Copy)]
pub(crate) struct Stack<T, const N: usize> {
    len: usize,
    items: [T; N],
}

impl<T: Copy, const N: usize> Stack<T, N> {
    /// Nothing; `filler` is what unused places hold.
    pub(crate) const fn new(filler: T) -> Stack<T, N> {
        Stack {
            len: 0,
            items: [filler; N],
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an item; false when there is no place.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> bool {
        let Some(place) = self.items.get_mut(self.len) else {
            return false;
        };
        *place = item;
        self.len += 1;
        true
    }

    /// The item that came last.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.len.wrapping_sub(1);
        let item = *self.items.get(last)?;
        self.len = last;
        Some(item)
    }

    /// The items, oldest first.
    pub(crate) fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or(&[])
    }
}
