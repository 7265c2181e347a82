#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

/// "KSYM".
pub const MAGIC: u32 = 0x4d59_534b;
/// The first byte that stands for a pair.
pub const FIRST_PAIR: u8 = 128;
/// The number of pairs.
pub const PAIRS: usize = 128;
/// The offset of the function records.
pub const HEADER: usize = 16 + 2 * PAIRS;
/// The limit on nesting of pairs.
pub const DEPTH: usize = 12;
/// The length limit of a name.
pub const LONGEST: usize = u8::MAX as usize;

/// A buffer for a name.
pub type Name = [u8; LONGEST];

/// A table, read by byte offset; past its end it reads as zeros.
pub struct Table<F>(pub F);

impl<F: Fn(usize) -> u8> Table<F> {
    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(core::array::from_fn(|i| (self.0)(at + i)))
    }

    /// The function that contains this address, and the offset in it. The name is decoded into
    /// `name`.
    pub fn find<'a>(&self, address: usize, name: &'a mut Name) -> Option<(&'a str, usize)> {
        if self.word(0) != MAGIC {
            return None;
        }
        let base = self.word(8) as usize | (self.word(12) as usize) << 32;
        let wanted = address.checked_sub(base)?;
        let (mut at, mut start, mut length) = (HEADER, 0, 0);
        for _ in 0..self.word(4) {
            let next = start + 2 * (self.word(at) as usize & 0xffff);
            if next > wanted {
                break;
            }
            (start, length) = (next, usize::from((self.0)(at + 2)));
            let further = usize::from((self.0)(at + 3));
            at += 4;
            for i in at..at + further {
                length = self.expand((self.0)(i), name, length);
            }
            at += further;
        }
        let name = core::str::from_utf8(name.get(..length)?).ok()?;
        Some((name, wanted - start))
    }

    /// Appends the expansion of a byte to the first `length` bytes of a name; returns the new
    /// length.
    fn expand(&self, byte: u8, name: &mut Name, mut length: usize) -> usize {
        // Second bytes of the pairs being expanded.
        let mut stack = [0; DEPTH];
        let (mut depth, mut byte) = (0, byte);
        loop {
            if let Some(pair) = byte.checked_sub(FIRST_PAIR) {
                let at = HEADER - 2 * PAIRS + 2 * usize::from(pair);
                if let Some(place) = stack.get_mut(depth) {
                    *place = (self.0)(at + 1);
                    depth += 1;
                }
                byte = (self.0)(at);
                continue;
            }
            if let Some(place) = name.get_mut(length) {
                *place = byte;
                length += 1;
            }
            if depth == 0 {
                return length;
            }
            depth -= 1;
            byte = stack.get(depth).copied().unwrap_or(0);
        }
    }
}
