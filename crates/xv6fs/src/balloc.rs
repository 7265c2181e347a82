//! Block allocation: the bitmap of blocks in use.

use crate::cache::Reuse;
use crate::device::{Block, BlockDevice};
use crate::layout::BITS_PER_BLOCK;
use crate::{Error, Fs};
use core::ops::Range;

impl<D: BlockDevice> Fs<D> {
    /// Allocates the first free block. Its contents are stale.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub(crate) fn allocate_block(&mut self) -> Result<u32, Error> {
        let end = self.superblock.size;
        let mut from = self.hints.block;
        while from < end {
            let (block, bits) = self.bitmap_range(from);
            let bitmap = self.cache.read(block, Reuse::Likely)?;
            if let Some(bit) = first_zero(bitmap, &bits) {
                set_bit(self.cache.modify(block)?, bit, true);
                let found = from - bits.start + bit;
                self.hints.block = found + 1;
                return Ok(found);
            }
            from += bits.len() as u32;
        }
        self.hints.block = end;
        Err(Error::NoSpace)
    }

    /// Frees a data block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is already free.
    pub(crate) fn release_block(&mut self, number: u32) -> Result<(), Error> {
        let (block, bits) = self.bitmap_range(number);
        let bitmap = self.cache.modify(block)?;
        if !bit(bitmap, bits.start) {
            return Err(Error::Corrupt("bitmap: a block in use is marked free"));
        }
        set_bit(bitmap, bits.start, false);
        self.cache.forget(number);
        self.hints.block = self.hints.block.min(number);
        Ok(())
    }

    /// Whether the bitmap marks this block as in use.
    pub(crate) fn block_in_use(&mut self, number: u32) -> Result<bool, Error> {
        let (block, bits) = self.bitmap_range(number);
        Ok(bit(self.cache.read(block, Reuse::Likely)?, bits.start))
    }

    /// Counts the free blocks. Reads the whole bitmap.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn free_blocks(&mut self) -> Result<u32, Error> {
        let mut free = 0;
        let mut from = self.superblock.data_start();
        while from < self.superblock.size {
            let (block, bits) = self.bitmap_range(from);
            free += count_zeros(self.cache.read(block, Reuse::Likely)?, &bits);
            from += bits.len() as u32;
        }
        Ok(free)
    }

    /// The bitmap block that covers this block, and the bits in it from this block's on.
    fn bitmap_range(&self, number: u32) -> (u32, Range<u32>) {
        let index = number / BITS_PER_BLOCK;
        let first = index * BITS_PER_BLOCK;
        let end = (self.superblock.size - first).min(BITS_PER_BLOCK);
        (self.superblock.bmapstart + index, number - first..end)
    }
}

/// The words of the bitmap that hold these bits, each with the index of its first bit. Bits outside
/// the range read as set.
fn words<'a>(bitmap: &'a Block, bits: &Range<u32>) -> impl Iterator<Item = (u32, u64)> + 'a {
    let Range { start, end } = *bits;
    let (words, _) = bitmap.as_chunks::<8>();
    (0..)
        .step_by(64)
        .zip(words)
        .skip(start as usize / 64)
        .take_while(move |(first, _)| *first < end)
        .map(move |(first, bytes)| {
            let mut word = u64::from_le_bytes(*bytes);
            if first < start {
                word |= (1 << (start - first)) - 1;
            }
            if end - first < 64 {
                word |= u64::MAX << (end - first);
            }
            (first, word)
        })
}

fn first_zero(bitmap: &Block, bits: &Range<u32>) -> Option<u32> {
    words(bitmap, bits)
        .find(|(_, word)| *word != u64::MAX)
        .map(|(first, word)| first + word.trailing_ones())
}

fn count_zeros(bitmap: &Block, bits: &Range<u32>) -> u32 {
    words(bitmap, bits)
        .map(|(_, word)| word.count_zeros())
        .sum()
}

fn bit(bitmap: &Block, bit: u32) -> bool {
    bitmap
        .get(bit as usize / 8)
        .is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
}

pub(crate) fn set_bit(bitmap: &mut Block, bit: u32, value: bool) {
    if let Some(byte) = bitmap.get_mut(bit as usize / 8) {
        let mask = 1 << (bit % 8);
        *byte = if value { *byte | mask } else { *byte & !mask };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::BLOCK_SIZE;

    /// Compares every range of a small bitmap with a scan bit by bit.
    #[test]
    fn words_agree_with_single_bits() {
        let mut bitmap = [0xff; BLOCK_SIZE];
        for clear in [0, 7, 63, 64, 65, 127, 130, 191, 192, 8191] {
            set_bit(&mut bitmap, clear, false);
        }
        for start in 0..200 {
            for end in (start..200).chain([8192]) {
                let zeros = || (start..end).filter(|b| !bit(&bitmap, *b));
                let bits = start..end;
                assert_eq!(
                    first_zero(&bitmap, &bits),
                    zeros().next(),
                    "first in {bits:?}"
                );
                assert_eq!(
                    count_zeros(&bitmap, &bits),
                    zeros().count() as u32,
                    "count in {bits:?}"
                );
            }
        }
    }
}
