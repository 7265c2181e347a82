//! The memory map, and the allocator's own part of it.

use crate::atomic::Contended;
use crate::buddy::{Buddy, High, Low};
use crate::{FRAME_SIZE, Pfn, tag};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU32};
use zerocopy::{FromBytes, IntoBytes};

/// Blocks are aligned in physical memory, so indices count from a multiple of the largest one.
const BASE_ALIGN: u32 = 1 << crate::MAX_ORDER;

/// RAM, and the parts of it that are taken. Ranges may come in any order, touch and overlap.
///
/// ```
/// use frames::{Layout, Pfn};
/// let ram = [Pfn::new(0x80000)..Pfn::new(0x88000)];
/// let firmware_and_kernel = [Pfn::new(0x80000)..Pfn::new(0x80300)];
/// let layout = Layout { usable: &ram, reserved: &firmware_and_kernel };
/// assert_eq!(layout.free_frames(), 0x88000 - 0x80300);
/// let metadata = layout.metadata_frames();
/// assert!(metadata * 4096 <= 8 * 0x8000, "at most 8 bytes a frame");
/// assert_eq!(layout.place(metadata), Some(Pfn::new(0x80300)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The RAM.
    pub usable: &'a [Range<Pfn>],
    /// What of it is never handed out: firmware, kernel, the allocator's metadata.
    pub reserved: &'a [Range<Pfn>],
}

impl Layout<'_> {
    /// The first free run that ends behind `from`, from there on.
    fn run_from(&self, from: u32) -> Option<Range<u32>> {
        let mut at = from;
        loop {
            let left = self
                .usable
                .iter()
                .filter(|r| r.start < r.end && r.end.get() > at);
            at = left.map(|r| r.start.get().max(at)).min()?;
            let holds = |r: &&Range<Pfn>| r.start.get() <= at && at < r.end.get();
            if let Some(taken) = self.reserved.iter().find(holds) {
                at = taken.end.get();
                continue;
            }
            let end = self
                .usable
                .iter()
                .filter(holds)
                .map(|r| r.end.get())
                .max()?;
            let taken = self.reserved.iter().filter(|r| r.start < r.end);
            let next = taken
                .map(|r| r.start.get())
                .filter(|&start| start > at)
                .min();
            return Some(at..next.map_or(end, |next| end.min(next)));
        }
    }

    /// Free runs, lowest first; runs that touch may come as two.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<u32>> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let run = self.run_from(from)?;
            from = run.end;
            Some(run)
        })
    }

    /// Frames that are RAM and not reserved.
    pub fn free_frames(&self) -> usize {
        self.runs().map(|run| run.len()).sum()
    }

    /// The lowest place with `frames` free frames in a row.
    pub fn place(&self, frames: usize) -> Option<Pfn> {
        self.runs()
            .find(|run| run.len() >= frames)
            .map(|run| Pfn::new(run.start))
    }

    /// First index and number of the frames that have records: all from the first RAM to the last,
    /// rounded out to whole words.
    fn span(&self) -> (u32, usize) {
        let filled = || self.usable.iter().filter(|r| r.start < r.end);
        let first = filled().map(|r| r.start.get()).min().unwrap_or(0);
        let last = filled().map(|r| r.end.get()).max().unwrap_or(0);
        let base = first - first % BASE_ALIGN;
        (base, ((last - base) as usize).next_multiple_of(64))
    }

    fn sizes(&self) -> Sizes {
        let (_, frames) = self.span();
        Sizes {
            frames,
            low: Low::len(frames),
            high: High::len(frames / 64),
        }
    }

    /// Bytes of metadata that [`Frames::new`](crate::Frames::new) needs for this memory; a multiple
    /// of 8, a little over 5 bytes for each frame from the first to the last.
    pub fn metadata_bytes(&self) -> usize {
        self.sizes().words() * 8
    }

    /// The same in frames.
    pub fn metadata_frames(&self) -> usize {
        self.metadata_bytes().div_ceil(FRAME_SIZE)
    }

    /// Makes the records in `metadata`; none when it is too small.
    pub(crate) fn build(&self, metadata: &'static mut [u64]) -> Option<Records> {
        let sizes = self.sizes();
        let mut metadata = metadata.get_mut(..sizes.words())?;
        metadata.fill(0);
        let mut cut = |words: usize| {
            let (piece, rest) = core::mem::take(&mut metadata).split_at_mut(words);
            metadata = rest;
            piece
        };
        let low = Low::new(cut(sizes.low));
        let high = High::new(cut(sizes.high));
        let counts = cut(sizes.frames / 2).as_mut_bytes();
        let tags = cut(sizes.frames / 8).as_mut_bytes();
        tags.fill(tag::RESERVED);
        let mut records = Records {
            base: self.span().0,
            tags: <[Contended<AtomicU8>]>::mut_from_bytes(tags).ok()?,
            counts: <[Contended<AtomicU32>]>::mut_from_bytes(counts).ok()?,
            buddy: Buddy::new(low, high),
        };
        for run in self.runs() {
            records.add(run);
        }
        records.buddy.reset_least_free();
        Some(records)
    }
}

/// Sizes of the metadata: frames, and the `u64`s of each level.
struct Sizes {
    frames: usize,
    low: usize,
    high: usize,
}

impl Sizes {
    /// The sum in `u64`s: the levels, and 4 bytes of count and one of tag per frame.
    fn words(&self) -> usize {
        self.low + self.high + self.frames / 2 + self.frames / 8
    }
}

/// The metadata in its parts.
pub(crate) struct Records {
    pub(crate) base: u32,
    pub(crate) tags: &'static mut [Contended<AtomicU8>],
    pub(crate) counts: &'static mut [Contended<AtomicU32>],
    pub(crate) buddy: Buddy,
}

impl Records {
    /// Makes the frames of `run` free, in the largest blocks that are aligned.
    fn add(&mut self, run: Range<u32>) {
        let (mut at, end) = (
            (run.start - self.base) as usize,
            (run.end - self.base) as usize,
        );
        for tag in &mut self.tags[at..end] {
            *tag.get_mut() = tag::FREE;
        }
        while at < end {
            let aligned = (at | 1 << crate::MAX_ORDER).trailing_zeros();
            let order = aligned.min((end - at).ilog2()) as usize;
            self.buddy.give(at, order);
            at += 1 << order;
        }
    }
}
