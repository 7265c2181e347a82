//! Size classes: the sizes of objects that slabs are made of.

use crate::descriptor::{Descriptor, bit};
use core::alloc::Layout;
use frames::FRAME_SIZE;

/// Number of size classes.
pub const CLASSES: usize = 23;

/// Objects of more bytes than this take a whole page.
pub(crate) const LARGEST: usize = 2048;

/// Objects of a class that a magazine holds at most.
pub(crate) const MAGAZINE: usize = 16;

/// Bytes of objects of a class that a magazine holds, about. So it holds few large objects, each of
/// which may keep a page from being given back.
const MAGAZINE_BYTES: usize = 16 * 1024;

/// Multiples of 16, each the largest of which some number of objects still fits a page, so that
/// little of a page is wasted; close enough together that little of an object is.
const SIZES: [usize; CLASSES] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 336, 400, 448, 512, 576, 672, 816,
    1024, 1360, LARGEST,
];

/// The geometry of the slabs of one class.
///
/// The number of an object's bit is that of the 64 bytes of the page in which it starts, so that finding
/// the bit takes no division. Objects of fewer than 64 bytes have four descriptors a slab: which of them
/// has the bit follows from the 16 of the 64 bytes that the object starts at.
#[derive(Clone, Copy)]
pub(crate) struct Class {
    pub(crate) size: usize,
    /// The number of the first object of a page that is given out.
    pub(crate) first: usize,
    /// Objects of a page that are given out.
    pub(crate) objects: usize,
    /// Objects of this class that a magazine holds at most.
    pub(crate) most_cached: u16,
    pub(crate) shape: Shape,
    /// For each descriptor the bits of its objects.
    starts: [u64; MOST_DESCRIPTORS],
}

/// What the check of a pointer to an object of a class needs; small, so that a table of them is indexed
/// quickly.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// For dividing by the size: 2^32 times its reciprocal, rounded up.
    reciprocal: u32,
    /// Descriptors of a slab, less one, in bytes: none or three.
    mask: u32,
}

/// Descriptors of a slab at most.
const MOST_DESCRIPTORS: usize = 4;

impl Class {
    const fn new(size: usize) -> Class {
        let mut class = Class {
            size,
            first: withheld(size),
            objects: FRAME_SIZE / size - withheld(size),
            most_cached: most_cached(size),
            shape: Shape::new(size),
            starts: [0; MOST_DESCRIPTORS],
        };
        let mut number = class.first;
        while number < FRAME_SIZE / size {
            let offset = number * size;
            class.starts[class.descriptor_of(offset) as usize] |= 1 << bit(offset);
            number += 1;
        }
        class
    }

    /// Descriptors of a slab, as a power of two.
    #[inline]
    pub(crate) fn descriptor_order(&self) -> u32 {
        self.descriptors().trailing_zeros()
    }

    /// Descriptors of a slab.
    #[inline]
    pub(crate) fn descriptors(&self) -> u32 {
        self.shape.mask / size_of::<Descriptor>() as u32 + 1
    }

    /// Which of the slab's descriptors has the object that starts at `address`.
    #[inline]
    pub(crate) const fn descriptor_of(&self, address: usize) -> u32 {
        self.shape.descriptor_offset(address) / size_of::<Descriptor>() as u32
    }

    /// Where in the page the object starts that has this bit in this descriptor.
    #[inline]
    pub(crate) fn offset(&self, descriptor: u32, bit: u32) -> usize {
        if self.shape.mask != 0 {
            return bit as usize * 64 + descriptor as usize * 16;
        }
        self.number(bit as usize * 64 + self.size - 1) * self.size
    }

    /// The number of the object that holds the byte at `offset` in the page.
    #[inline]
    pub(crate) fn number(&self, offset: usize) -> usize {
        ((offset as u64 * u64::from(self.shape.reciprocal)) >> 32) as usize
    }

    /// Whether the byte at `offset` in the page is in an object that is given out.
    pub(crate) fn has_object(&self, offset: usize) -> bool {
        (self.first..self.first + self.objects).contains(&self.number(offset))
    }

    /// Whether such an object starts there.
    pub(crate) fn starts_object(&self, offset: usize) -> bool {
        self.has_object(offset) && self.shape.is_multiple(offset)
    }

    /// Bits of all objects that the slab's descriptor number `descriptor` has.
    #[inline]
    pub(crate) fn all(&self, descriptor: u32) -> u64 {
        self.starts.get(descriptor as usize).copied().unwrap_or(0)
    }
}

impl Shape {
    const fn new(size: usize) -> Shape {
        let descriptors = if size < 64 { MOST_DESCRIPTORS } else { 1 };
        Shape {
            reciprocal: (1u64 << 32).div_ceil(size as u64) as u32,
            mask: ((descriptors - 1) * size_of::<Descriptor>()) as u32,
        }
    }

    /// Which of the slab's descriptors has the object that starts at `address`, in bytes from the first.
    #[inline(always)]
    pub(crate) const fn descriptor_offset(self, address: usize) -> u32 {
        (address as u32).wrapping_mul(size_of::<Descriptor>() as u32 / 16) & self.mask
    }

    /// Whether `offset` is a multiple of the size: then the product with the reciprocal has a
    /// fraction below the reciprocal's own error, and else one of at least the reciprocal (Lemire,
    /// Kaser, Kurz: "Faster remainder by direct computation", 2019).
    #[inline(always)]
    pub(crate) fn is_multiple(self, offset: usize) -> bool {
        (offset as u32).wrapping_mul(self.reciprocal) < self.reciprocal
    }
}

const fn most_cached(size: usize) -> u16 {
    match MAGAZINE_BYTES / size {
        0..4 => 4,
        MAGAZINE.. => MAGAZINE as u16,
        some => some as u16,
    }
}

/// Objects at the start of a page that are given to nobody: with the feature `debug` the first of eight or
/// more, so that each object has a red zone in front of it.
const fn withheld(size: usize) -> usize {
    if cfg!(feature = "debug") && FRAME_SIZE / size >= 8 {
        1
    } else {
        0
    }
}

/// The classes, smallest first.
pub(crate) static TABLE: [Class; CLASSES] = {
    let mut table = [Class::new(16); CLASSES];
    let mut i = 0;
    while i < CLASSES {
        table[i] = Class::new(SIZES[i]);
        i += 1;
    }
    table
};

/// Their shapes.
pub(crate) const fn shapes() -> [Shape; CLASSES] {
    let mut shapes = [Shape::new(16); CLASSES];
    let mut i = 0;
    while i < CLASSES {
        shapes[i] = TABLE[i].shape;
        i += 1;
    }
    shapes
}

/// The class for each size in steps of 16 bytes.
static BY_GRAIN: [u8; LARGEST / 16] = {
    let mut classes = [0; LARGEST / 16];
    let (mut grain, mut class) = (0, 0);
    while grain < classes.len() {
        if SIZES[class] < (grain + 1) * 16 {
            class += 1;
        }
        classes[grain] = class as u8;
        grain += 1;
    }
    classes
};

/// The number of the class of objects of `size` bytes, from 1 to [`LARGEST`].
#[inline(always)]
pub(crate) fn class_of(size: usize) -> Option<usize> {
    Some(usize::from(*BY_GRAIN.get(size.wrapping_sub(1) / 16)?))
}

/// The size to ask of [`Kmalloc::alloc`](crate::Kmalloc::alloc) so that the object suits `layout`,
/// its alignment too; none when that takes more than one page.
///
/// Objects of a class lie at multiples of its size from the start of a page, and all sizes are
/// multiples of 16, so an alignment of 16 comes by itself and a larger one with a size that is a
/// multiple of it.
///
/// ```
/// use std::alloc::Layout;
/// let size_for = |size, align| kmalloc::size_for(Layout::from_size_align(size, align).unwrap());
/// assert_eq!(size_for(100, 8), Some(100));
/// assert_eq!(size_for(100, 32), Some(128));
/// assert_eq!(size_for(1, 4096), Some(4096));
/// assert_eq!(size_for(1, 8192), None);
/// assert_eq!(size_for(4097, 1), None);
/// ```
#[inline]
pub const fn size_for(layout: Layout) -> Option<usize> {
    let (size, align) = (layout.size(), layout.align());
    if size > FRAME_SIZE || align > FRAME_SIZE {
        return None;
    }
    if align <= 16 {
        return Some(if size == 0 { 1 } else { size });
    }
    let mut class = 0;
    while class < CLASSES {
        if SIZES[class] >= size && SIZES[class].is_multiple_of(align) {
            return Some(SIZES[class]);
        }
        class += 1;
    }
    Some(FRAME_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Under Miri, where all takes a thousand times as long, a sample.
    const STEP: usize = if cfg!(miri) { 59 } else { 1 };

    #[test]
    fn every_size_has_the_smallest_class_that_holds_it() {
        for size in (1..=LARGEST).step_by(STEP) {
            let class = class_of(size).unwrap();
            let expected = SIZES.iter().position(|&s| s >= size).unwrap();
            assert_eq!(class, expected, "class of {size} bytes");
        }
        let none = [0, LARGEST + 1, 4096, usize::MAX];
        assert!(none.iter().all(|&size| class_of(size).is_none()));
    }

    #[test]
    fn numbers_are_quotients() {
        for class in &TABLE {
            let size = class.size;
            for offset in (0..FRAME_SIZE).step_by(STEP) {
                assert_eq!(class.number(offset), offset / size, "{offset} / {size}");
                let multiple = offset.is_multiple_of(size);
                assert_eq!(
                    class.shape.is_multiple(offset),
                    multiple,
                    "{offset} % {size}"
                );
            }
        }
    }

    #[test]
    fn each_object_has_a_bit_of_its_own() {
        for class in &TABLE {
            let size = class.size;
            for offset in (class.first..FRAME_SIZE / size).map(|number| number * size) {
                let (number, bit) = (class.descriptor_of(offset), bit(offset));
                assert_eq!(
                    class.offset(number, bit),
                    offset,
                    "bit {bit} of {number} of {size}"
                );
                assert_eq!(
                    class.all(number) >> bit & 1,
                    1,
                    "bit {bit} of {number} of {size}"
                );
            }
            let bits: u32 = (0..class.descriptors())
                .map(|d| class.all(d).count_ones())
                .sum();
            assert_eq!(bits as usize, class.objects, "objects of {size} bytes");
            assert_eq!(class.all(class.descriptors()), 0);
            assert_eq!(1 << class.descriptor_order(), class.descriptors());
        }
    }

    #[test]
    fn bits_are_the_same_at_the_top_of_the_address_space() {
        for class in &TABLE {
            for offset in (0..FRAME_SIZE / class.size).map(|number| number * class.size) {
                let address = usize::MAX - (FRAME_SIZE - 1) + offset;
                assert_eq!(
                    class.descriptor_of(address),
                    class.descriptor_of(offset),
                    "{address:#x}"
                );
                assert_eq!(bit(address), bit(offset), "{address:#x}");
            }
        }
    }

    #[test]
    fn sizes_for_layouts_hold_and_align() {
        for size in (0..=4097).step_by(STEP) {
            for align in (0..14).map(|shift| 1 << shift) {
                let layout = Layout::from_size_align(size, align).unwrap();
                let Some(asked) = size_for(layout) else {
                    assert!(size > 4096 || align > 4096, "{layout:?}");
                    continue;
                };
                let got = class_of(asked).map_or(4096, |class| SIZES[class]);
                assert!(
                    got >= size && got.is_multiple_of(align),
                    "{layout:?} becomes {asked}, {got}"
                );
            }
        }
    }
}
