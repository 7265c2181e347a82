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

/// Where runs of order `n + 1` may start; none of those beyond a word.
const STARTS: [u64; 8] = [
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    0x0000_0000_0000_0001,
    0,
    0,
];

/// Starts of the runs of order `order + 1`, given those of `order`.
#[inline]
fn doubled(runs: u64, order: u32) -> u64 {
    runs & runs >> (1u32 << order & 63) & STARTS[order as usize % 8]
}

/// Where all runs of order `order` in `mask` start, those that are part of larger ones too.
#[inline]
pub(crate) fn runs(mask: u64, order: u32) -> u64 {
    (0..order.min(WORD_ORDER)).fold(mask, doubled)
}

/// The order of the largest run; none in an empty word.
#[inline]
pub(crate) fn largest(mask: u64) -> Option<u32> {
    if mask == 0 {
        return None;
    }
    let (mut runs, mut order) = (mask, 0);
    loop {
        runs = doubled(runs, order);
        if runs == 0 {
            return Some(order);
        }
        order += 1;
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
        fn agrees_with_looking_at_each_bit(a: u64, b: u64, c: u64) {
            for mask in [a, a | b, a | b | c, a & b, a & b & c, 0, u64::MAX] {
                let orders = |at: &u32| mask >> at & 1 == 1;
                let top = (0..64).filter(orders).map(|at| order_at(mask, at)).max();
                assert_eq!(largest(mask), top, "largest run of {mask:#x}");

                for order in 0..=6 {
                    let expected = (0..64).filter(|&at| is_run(mask, at, order)).map(|at| 1 << at).sum::<u64>();
                    assert_eq!(runs(mask, order), expected, "runs of order {order} in {mask:#x}");
                }
                for at in (0..64).filter(orders) {
                    assert_eq!(merged(mask, at, 0, 6), order_at(mask, at), "{mask:#x} at {at}");
                }
            }
        }
    }
}
