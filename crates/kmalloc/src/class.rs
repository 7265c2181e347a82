//! Size classes: the sizes of objects that slabs are made of.

use crate::kmalloc::MAGAZINE;
use core::alloc::Layout;
use frames::FRAME_SIZE;

/// Number of size classes.
pub const CLASSES: usize = 23;

/// Objects of more bytes than this take a whole page.
pub(crate) const LARGEST: usize = 2048;

/// Bytes of objects of a class that a CPU keeps, about.
const CACHED_BYTES: usize = 16 * 1024;

/// Multiples of 16, each the largest of which some number of objects still fits a page, so that
/// little of a page is left over; close enough that little of an object is.
const SIZES: [usize; CLASSES] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 336, 400, 448, 512, 576, 672, 816,
    1024, 1360, LARGEST,
];

/// What slabs of one size look like.
///
/// A page is cut into as many places of equal size as its units have bits, 64 or 128 or 256, so
/// that in no place start two objects: the place tells an object's bit, without a division.
#[derive(Clone, Copy)]
pub(crate) struct Class {
    pub(crate) size: usize,
    /// Objects in a page.
    pub(crate) objects: usize,
    /// Units that describe a page, as a power of two.
    pub(crate) unit_order: u32,
    /// Objects of this class that a CPU keeps at most.
    pub(crate) most_cached: usize,
    /// For dividing by `size`: 2^32 times its reciprocal, rounded up.
    reciprocal: u32,
    /// For each unit the places where objects start.
    starts: [u64; MOST_UNITS],
}

/// Units that describe a page at most.
pub(crate) const MOST_UNITS: usize = 4;

impl Class {
    const fn new(size: usize) -> Class {
        let objects = FRAME_SIZE / size;
        let unit_order = objects.div_ceil(64).next_power_of_two().trailing_zeros();
        let mut class = Class {
            size,
            objects,
            unit_order,
            most_cached: most_cached(size),
            reciprocal: ((1 << 32) / size as u64 + !(size as u64).is_power_of_two() as u64) as u32,
            starts: [0; MOST_UNITS],
        };
        let mut number = 0;
        while number < objects {
            let place = class.place(number * size);
            class.starts[place / 64] |= 1 << (place % 64);
            number += 1;
        }
        class
    }

    /// The place of the byte at `offset` in the page.
    #[inline(always)]
    pub(crate) const fn place(&self, offset: usize) -> usize {
        offset >> (PLACE_SHIFT - self.unit_order)
    }

    /// Where in the page the object starts that starts in `place`.
    #[inline]
    pub(crate) fn offset(&self, place: usize) -> usize {
        let first = place << (PLACE_SHIFT - self.unit_order);
        self.number(first + self.size - 1) * self.size
    }

    /// The number of the object that holds the byte at `offset` in the page.
    #[inline]
    pub(crate) fn number(&self, offset: usize) -> usize {
        ((offset as u64 * u64::from(self.reciprocal)) >> 32) as usize
    }

    /// Whether `offset` is a multiple of the size: then the product with the reciprocal has a
    /// fraction below the reciprocal's own error, and else one of at least the reciprocal (Lemire,
    /// Kaser, Kurz: "Faster remainder by direct computation", 2019).
    #[inline(always)]
    pub(crate) fn is_multiple(&self, offset: usize) -> bool {
        (offset as u32).wrapping_mul(self.reciprocal) < self.reciprocal
    }

    /// Bits of all objects that the page's unit number `unit` describes.
    #[inline]
    pub(crate) fn all(&self, unit: usize) -> u64 {
        self.starts.get(unit).copied().unwrap_or(0)
    }
}

/// A place of a page with one unit, in bytes as a power of two.
const PLACE_SHIFT: u32 = (FRAME_SIZE / 64).trailing_zeros();

/// Few of the large objects, so that a CPU does not keep too many pages from being given back.
const fn most_cached(size: usize) -> usize {
    match CACHED_BYTES / size {
        0..4 => 4,
        MAGAZINE.. => MAGAZINE,
        some => some,
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

/// The class of objects of `size` bytes, from 1 to [`LARGEST`], and its number.
#[inline(always)]
pub(crate) fn class_of(size: usize) -> Option<(usize, &'static Class)> {
    let index = usize::from(*BY_GRAIN.get(size.wrapping_sub(1) / 16)?);
    Some((index, TABLE.get(index)?))
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

    #[test]
    fn every_size_has_the_smallest_class_that_holds_it() {
        for size in 1..=LARGEST {
            let (class, _) = class_of(size).unwrap();
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
            for offset in 0..FRAME_SIZE {
                assert_eq!(class.number(offset), offset / size, "{offset} / {size}");
                let multiple = offset.is_multiple_of(size);
                assert_eq!(class.is_multiple(offset), multiple, "{offset} % {size}");
            }
        }
    }

    #[test]
    fn each_object_has_a_place_of_its_own() {
        for class in &TABLE {
            let size = class.size;
            for number in 0..class.objects {
                let place = class.place(number * size);
                assert_eq!(
                    class.offset(place),
                    number * size,
                    "place {place} of {size}"
                );
                let bit = class.all(place / 64) >> (place % 64) & 1;
                assert_eq!(bit, 1, "place {place} of {size}");
            }
            let units = 0..1 << class.unit_order;
            assert!(
                units.clone().all(|unit| class.all(unit) != 0),
                "units of {size}"
            );
            let bits: u32 = units.map(|u| class.all(u).count_ones()).sum();
            assert_eq!(bits as usize, class.objects, "objects of {size} bytes");
            assert_eq!(class.all(1 << class.unit_order), 0);
        }
    }

    #[test]
    fn sizes_for_layouts_hold_and_align() {
        for size in 0..=4097 {
            for align in (0..14).map(|shift| 1 << shift) {
                let layout = Layout::from_size_align(size, align).unwrap();
                let Some(asked) = size_for(layout) else {
                    assert!(size > 4096 || align > 4096, "{layout:?}");
                    continue;
                };
                let got = class_of(asked).map_or(4096, |(_, class)| class.size);
                assert!(
                    got >= size && got.is_multiple_of(align),
                    "{layout:?} becomes {asked}, {got}"
                );
            }
        }
    }
}
