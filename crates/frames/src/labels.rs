//! Labels: the use of a block, a number that whoever allocates it chooses. It takes four bits beside the count
//! of references, so no memory. The allocator does not interpret it.

use crate::Pfn;
use crate::frames::Frames;
use crate::record::{self, COUNT, SHIFT};
use crate::tag;
use core::sync::atomic::Ordering;
use lock_api::RawMutex;

/// Labels that there are: 0 to one less.
pub const LABELS: usize = 16;

/// All managed frames, counted by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// In blocks in use, by label.
    pub labels: [usize; LABELS],
    /// The object allocator's.
    pub marked: usize,
    /// Free, those in CPUs' caches among them.
    pub free: usize,
}

impl<R: RawMutex> Frames<R> {
    /// Labels a block, named by its first frame, that the caller alone has a reference to. A block has label 0
    /// at first, and again after it was marked. Splitting a block labels its frames like it.
    #[inline]
    pub fn label(&self, frame: Pfn, label: u8) {
        if let Some(record) = self.counts.get(self.index(frame)) {
            record.store(record::new(label), Ordering::Relaxed);
        }
    }

    /// As [`label`](Self::label), of a block that others may have references to besides the caller.
    #[inline(never)]
    pub fn relabel(&self, frame: Pfn, label: u8) {
        let label = u32::from(label) << SHIFT;
        if let Some(record) = self.counts.get(self.index(frame)) {
            let change = |record| Some(record & COUNT | label);
            let _ = record.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        }
    }

    /// Counts the frames, in a walk over all records. The sum is that of all frames; each number is exact if
    /// nobody allocates meanwhile.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        let mut counted = 0;
        let mut index = 0;
        while let Some(tag) = self.tags.get(index) {
            let tag = tag.load(Ordering::Relaxed);
            let mut frames = 1;
            if tag < tag::UNMARKED {
                uses.marked += 1;
            } else if tag == tag::FREE {
                uses.free += 1;
            } else if tag == tag::RESERVED {
                frames = 0;
            } else {
                frames = 1 << (tag & tag::LOW);
                let record = self.counts.get(index).map(|it| it.load(Ordering::Relaxed));
                let label = record.unwrap_or(0) >> SHIFT;
                if let Some(sum) = uses.labels.get_mut(label as usize) {
                    *sum += frames;
                }
            }
            counted += frames;
            index += frames.max(1);
        }
        // These are being marked or unmarked.
        uses.marked += self.total().saturating_sub(counted);
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_bits_that_no_count_has() {
        assert_eq!(LABELS, 1 << COUNT.count_zeros());
        assert_eq!(COUNT, (1 << SHIFT) - 1);
    }
}
