//! The record of a block in use: its references beyond the first, and above them its label.

use core::sync::atomic::{AtomicU32, Ordering};

/// The bits of a record that count further references. The others are the label.
pub(crate) const COUNT: u32 = u32::MAX >> 4;
/// A count above this saturates: it stays near [`SATURATED`], and the block is never freed. Otherwise
/// references that leak could wrap the count around and free a block in use.
const MAX: u32 = COUNT / 2;
/// Far from both ends of the range above [`MAX`].
const SATURATED: u32 = MAX + MAX / 2;

/// Where the label begins.
pub(crate) const SHIFT: u32 = COUNT.count_ones();

/// The record of a block with one reference.
#[inline]
pub(crate) fn new(label: u8) -> u32 {
    u32::from(label) << SHIFT
}

/// The record with one reference less; `None` for the last.
#[inline]
pub(crate) fn ref_dec(record: u32) -> Option<u32> {
    match record & COUNT {
        0 => None,
        count if count > MAX => Some(record & !COUNT | SATURATED),
        _ => Some(record - 1),
    }
}

/// Adds a reference.
#[inline]
pub(crate) fn ref_inc(record: &AtomicU32) {
    let old = record.fetch_add(1, Ordering::Relaxed);
    if old & COUNT > MAX {
        record.store(old & !COUNT | SATURATED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_saturates_stays_and_keeps_the_label() {
        let label = !COUNT;
        let record = AtomicU32::new(label | MAX);
        for _ in 0..3 {
            ref_inc(&record);
        }
        let full = record.into_inner();
        assert_eq!(full, label | SATURATED, "{full:#x}");
        let less = ref_dec(full);
        assert_eq!(less, Some(label | SATURATED), "no release takes it back");
        assert_eq!(ref_dec(label | 1), Some(label));
        assert_eq!(ref_dec(label), None);
    }
}
