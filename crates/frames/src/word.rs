//! One word of 64 units: a set bit is a free unit, and a run of order `n` is `1 << n` free units
//! that start at a multiple of their number. There are no lists to keep: a freed unit is a bit, and
//! neighbours that are both free are a larger run by being both free.

/// The order of a whole word.
pub(crate) const WORD_ORDER: u32 = 6;

/// A run of order `n` at the bottom of a word.
pub(crate) const RUN: [u64; 7] = [
    0x1,
    0x3,
    0xf,
    0xff,
    0xffff,
    0xffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Where runs of order `n + 1` may start.
const STARTS: [u64; 6] = [
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    0x0000_0000_0000_0001,
];

/// Starts of the runs of order `ORDER`.
#[inline(always)]
const fn runs<const ORDER: usize>(mask: u64) -> u64 {
    let (mut runs, mut order) = (mask, 0);
    while order < ORDER {
        runs &= runs >> (1u32 << order) & STARTS[order];
        order += 1;
    }
    runs
}

/// Starts of the maximal runs of order `ORDER`: those in no run of order `LARGER`, the next one.
#[inline(always)]
const fn maximal_of<const ORDER: usize, const LARGER: usize>(mask: u64) -> u64 {
    let larger = runs::<LARGER>(mask);
    runs::<ORDER>(mask) & !(larger | larger << (1u32 << ORDER))
}

/// Starts of the maximal runs of order `order`, if runs have an order of at most `most`.
#[inline(always)]
pub(crate) fn maximal(mask: u64, order: u32, most: u32) -> u64 {
    match order {
        0 => maximal_of::<0, 1>(mask),
        1 => maximal_of::<1, 2>(mask),
        2 => maximal_of::<2, 3>(mask),
        3 => maximal_of::<3, 4>(mask),
        4 if most == 4 => runs::<4>(mask),
        4 => maximal_of::<4, 5>(mask),
        5 => maximal_of::<5, 6>(mask),
        _ => u64::from(mask == u64::MAX),
    }
}

/// The order, at most `most`, of the largest run that the run of order `order` at `at` is part of.
#[inline]
pub(crate) fn merged(mask: u64, at: u32, order: u32, most: u32) -> u32 {
    if mask == u64::MAX {
        return most;
    }
    let mut order = order;
    while order < most {
        let twice = RUN[order as usize + 1] << (at & (u32::MAX << 1 << order));
        if mask & twice != twice {
            break;
        }
        order += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a run of `order` is free at `at`, bit by bit.
    fn is_run(mask: u64, at: u32, order: u32) -> bool {
        at.is_multiple_of(1 << order) && (at..at + (1 << order)).all(|bit| mask >> bit & 1 == 1)
    }

    /// The order of the maximal run that holds `at`.
    fn order_at(mask: u64, at: u32) -> u32 {
        (0..=6)
            .rev()
            .find(|&o| is_run(mask, at & !((1 << o) - 1), o))
            .unwrap()
    }

    proptest::proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "arithmetic, of which Miri sees nothing and for long")]
        fn agrees_with_looking_at_each_bit(a: u64, b: u64, c: u64) {
            for mask in [a, a | b, a | b | c, a & b, a & b & c, 0, u64::MAX] {
                let orders = |at: &u32| mask >> at & 1 == 1;
                for order in 0..=6 {
                    let starts = |at: &u32| is_run(mask, *at, order) && order_at(mask, *at) == order;
                    let expected: u64 = (0..64).filter(starts).map(|at| 1 << at).sum();
                    assert_eq!(maximal(mask, order, 6), expected, "order {order} in {mask:#x}");
                }
                let expected: u64 = (0..64).filter(|&at| is_run(mask, at, 4)).map(|at| 1 << at).sum();
                assert_eq!(maximal(mask, 4, 4), expected, "order 4 at most in {mask:#x}");
                for at in (0..64).filter(orders) {
                    assert_eq!(merged(mask, at, 0, 6), order_at(mask, at), "{mask:#x} at {at}");
                }
            }
        }
    }
}
