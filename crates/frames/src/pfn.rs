//! The number of a page frame.

use core::fmt;

/// Bytes in a frame.
pub const FRAME_SIZE: usize = 4096;
/// The largest order: a block of order `n` is `1 << n` frames in a row, aligned to its size.
pub const MAX_ORDER: usize = 10;

const SHIFT: u32 = FRAME_SIZE.trailing_zeros();

/// The order of the smallest block that holds `bytes`; none when no block does.
pub const fn order_for(bytes: usize) -> Option<usize> {
    let frames = bytes.div_ceil(FRAME_SIZE);
    if frames > 1 << MAX_ORDER {
        return None;
    }
    Some(frames.next_power_of_two().trailing_zeros() as usize)
}

/// A page frame number: a physical address divided by [`FRAME_SIZE`].
///
/// ```
/// use frames::Pfn;
/// let frame = Pfn::from_addr(0x8000_1234);
/// assert_eq!(frame, Pfn::new(0x80001));
/// assert_eq!(frame.addr(), 0x8000_1000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Pfn(u32);

impl Pfn {
    /// The frame with this number.
    #[inline]
    pub const fn new(number: u32) -> Pfn {
        Pfn(number)
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The frame that holds the byte at physical address `addr`. Addresses that no [`Pfn`] can
    /// name (16 TiB and above) give the very last frame, which no allocator manages.
    #[inline]
    pub const fn from_addr(addr: u64) -> Pfn {
        let number = addr >> SHIFT;
        Pfn(if number >> 32 == 0 {
            number as u32
        } else {
            u32::MAX
        })
    }

    /// The physical address of the frame's first byte.
    #[inline]
    pub const fn addr(self) -> u64 {
        (self.0 as u64) << SHIFT
    }

    /// The frame `n` frames further on; stays at the very last one.
    #[inline]
    pub const fn plus(self, n: u32) -> Pfn {
        Pfn(self.0.saturating_add(n))
    }
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pfn({:#x})", self.0)
    }
}
