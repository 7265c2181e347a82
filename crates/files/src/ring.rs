//! The ring buffer of a pipe.

use core::ops::Range;

/// Positions in a ring buffer of `N` bytes, a power of two. The caller has the bytes.
#[derive(Debug, Default)]
pub struct Ring<const N: usize> {
    /// Bytes ever read and written, modulo 2^64; their difference is in the buffer.
    read: usize,
    written: usize,
}

impl<const N: usize> Ring<N> {
    /// An empty buffer.
    pub const fn new() -> Ring<N> {
        const { assert!(N.is_power_of_two()) };
        Ring {
            read: 0,
            written: 0,
        }
    }

    /// Bytes in the buffer.
    #[inline]
    pub fn len(&self) -> usize {
        self.written.wrapping_sub(self.read)
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room to write.
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Reads up to `most` bytes, in at most two contiguous pieces: `copy` gets the piece's range in the buffer and
    /// the number of bytes before it. Returns the number of bytes read.
    ///
    /// # Errors
    /// If `copy` fails for the first piece; a later failure ends the read early.
    #[inline]
    pub fn read<E>(
        &mut self,
        most: usize,
        copy: impl FnMut(Range<usize>, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let most = most.min(self.len());
        let done = Ring::<N>::each_piece(self.read, most, copy)?;
        self.read = self.read.wrapping_add(done);
        Ok(done)
    }

    /// Writes up to `most` bytes, as far as there is room; otherwise as [`Ring::read`].
    #[inline]
    pub fn write<E>(
        &mut self,
        most: usize,
        copy: impl FnMut(Range<usize>, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let most = most.min(N - self.len());
        let done = Ring::<N>::each_piece(self.written, most, copy)?;
        self.written = self.written.wrapping_add(done);
        Ok(done)
    }

    #[inline]
    fn each_piece<E>(
        start: usize,
        count: usize,
        mut copy: impl FnMut(Range<usize>, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut done = 0;
        while done < count {
            let first = start.wrapping_add(done) % N;
            let behind = N.min(first + count - done);
            match copy(first..behind, done) {
                Ok(()) => done += behind - first,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_when_the_counts_wrap() {
        let mut ring = Ring::<8> {
            read: usize::MAX - 4,
            written: usize::MAX - 4,
        };
        let mut bytes = [0; 8];
        let written = ring.write(6, |piece, from| {
            bytes[piece].fill(from as u8 + 1);
            Ok::<(), ()>(())
        });
        assert_eq!(
            (written, ring.len(), bytes),
            (Ok(6), 6, [6, 0, 0, 1, 1, 1, 1, 1])
        );
        let mut seen = [0; 6];
        let read = ring.read(9, |piece, to| {
            seen[to..to + piece.len()].copy_from_slice(&bytes[piece]);
            Ok::<(), ()>(())
        });
        assert_eq!((read, seen), (Ok(6), [1, 1, 1, 1, 1, 6]));
        assert!(ring.is_empty());
    }
}
