//! A plain model of an allocator: which frames are in use, with which order and how often.

use crate::common::with;
use crate::compound::Blocks;
use crate::interface::Allocator;
use crate::steps::{BOTTOM, Machine, Step, TOP};
use frames::{Layout, MAX_ORDER, OutOfMemory, Pfn, State, WrongFree};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The allocator, and what must be true of it.
pub struct Model<'a, A> {
    pub frames: &'a A,
    /// Whether it is free, of each frame from [`BOTTOM`] on.
    is_free: Vec<bool>,
    free: usize,
    /// First frame, order and references of each block in use.
    pub live: BTreeMap<u32, (usize, u32)>,
    /// The first frames of those that can be split.
    pub compound: BTreeSet<u32>,
    /// The latest of them and their orders, whatever became of them.
    pub recent: Vec<(u32, usize)>,
}

/// Does the steps on a new allocator of type `A`, checks it after each, gives everything back and checks that it
/// is as it was.
pub fn run<A: Allocator>(machine: &Machine, steps: impl IntoIterator<Item = Step>) {
    let Machine {
        usable,
        reserved,
        cpus,
    } = machine;
    let layout = Layout { usable, reserved };
    with(&layout, *cpus, A::new, |frames: &A| {
        let is_free: Vec<bool> = (BOTTOM..TOP).map(|n| machine.is_managed(n)).collect();
        let mut model = Model {
            frames,
            free: is_free.iter().filter(|free| **free).count(),
            is_free,
            live: BTreeMap::new(),
            compound: BTreeSet::new(),
            recent: Vec::new(),
        };
        assert_eq!(frames.total(), model.free, "managed frames");
        let initial = frames.free_blocks();
        assert_eq!(initial, model.blocks(), "free blocks at the start");
        for step in steps {
            model.step(step);
            model.check();
        }
        for (first, (order, refs)) in std::mem::take(&mut model.live) {
            let frame = Pfn::new(first);
            for left in (0..refs).rev() {
                if model.compound.contains(&first) {
                    assert_eq!(frames.release_block(0, frame, order), Ok(()));
                } else {
                    assert_eq!(frames.release(0, frame), Ok(left == 0));
                }
            }
        }
        frames.drain_caches();
        assert_eq!(frames.compound_blocks(), 0, "compound blocks at the end");
        assert_eq!(frames.free_blocks(), initial, "everything given back");
    });
}

/// Where a block's frames are in [`Model::is_free`].
fn block(first: u32, order: usize) -> Range<usize> {
    let start = (first - BOTTOM) as usize;
    start..start + (1 << order)
}

/// Adds the free blocks within one of `order`.
fn count(all: &[bool], order: usize, blocks: &mut [usize]) {
    if all.iter().all(|&free| free) {
        blocks[order] += 1;
    } else if order > 0 {
        let (low, high) = all.split_at(all.len() / 2);
        count(low, order - 1, blocks);
        count(high, order - 1, blocks);
    }
}

impl<A: Allocator> Model<'_, A> {
    pub fn is_free(&self, number: u32) -> bool {
        (BOTTOM..TOP).contains(&number) && self.is_free[(number - BOTTOM) as usize]
    }

    pub fn pick(&self, which: usize) -> Option<(u32, usize, u32)> {
        let (&first, &(order, refs)) = self.live.iter().nth(which % self.live.len().max(1))?;
        Some((first, order, refs))
    }

    pub fn allocated(&mut self, frame: Pfn, order: usize) {
        let first = frame.get();
        assert_eq!(
            first % (1 << order),
            0,
            "{frame:?} is not aligned for order {order}"
        );
        for (free, number) in self.is_free[block(first, order)].iter_mut().zip(first..) {
            assert!(*free, "frame {number:#x} was not free");
            *free = false;
        }
        self.free -= 1 << order;
        self.live.insert(first, (order, 1));
    }

    pub fn freed(&mut self, first: u32) {
        let (order, _) = self.live.remove(&first).expect("a live block");
        self.compound.remove(&first);
        self.is_free[block(first, order)].fill(true);
        self.free += 1 << order;
    }

    fn has_block(&self, order: usize) -> bool {
        let mut blocks = self.is_free.chunks(1 << order);
        blocks.any(|block| block.iter().all(|&free| free))
    }

    /// Free blocks that are part of no larger one.
    fn blocks(&self) -> [usize; MAX_ORDER + 1] {
        let mut blocks = [0; MAX_ORDER + 1];
        for all in self.is_free.chunks(1 << MAX_ORDER) {
            count(all, MAX_ORDER, &mut blocks);
        }
        blocks
    }

    /// What a frame is; none for frames that are not the allocator's, whichever way.
    fn state(&self, number: u32) -> Option<State> {
        if self.is_free(number) {
            return Some(State::Free);
        }
        let (&first, &(order, refs)) = self.live.range(..=number).next_back()?;
        match number - first {
            0 if self.compound.contains(&first) => Some(State::Compound { order, refs }),
            0 => Some(State::Used { order, refs }),
            offset if offset < 1 << order => Some(State::Inside { offset, order }),
            _ => None,
        }
    }

    /// The error must name the frame as what it is, and nothing may have happened.
    pub fn refused<T: std::fmt::Debug>(&self, number: u32, result: Result<T, WrongFree>) {
        let error = result.expect_err("a wrong free");
        assert_eq!(error.frame, Pfn::new(number), "{error}");
        match self.state(number) {
            Some(state) => assert_eq!(error.state, state, "{error}"),
            None => assert!(
                matches!(error.state, State::Reserved | State::Outside),
                "{error}"
            ),
        }
        assert_eq!(self.frames.state(Pfn::new(number)), error.state, "{error}");
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Alloc { cpu, order } => drop(self.alloc(cpu, order)),
            Step::Exhaust { cpu, order } => self.exhaust(cpu, order),
            Step::Bulk { cpu, count, keep } => self.bulk(cpu, count, keep),
            Step::Drain => self.drain(),
            Step::FreeAny { cpu, number, order } => self.free_any(cpu, number, order),
            Step::ReleaseAny { cpu, number } => self.release_any(cpu, number),
            Step::TryAlloc { .. }
            | Step::RetainBlock { .. }
            | Step::ReleaseBlock { .. }
            | Step::Split { .. }
            | Step::Join { .. }
            | Step::ReleaseUnlessLast { .. } => self.on_block(step),
            Step::Free { which, .. }
            | Step::FreeTwice { which, .. }
            | Step::FreeWrongOrder { which, .. }
            | Step::FreeInside { which, .. }
            | Step::Retain { which }
            | Step::Release { which, .. }
            | Step::MarkAndBack { which } => {
                if let Some((first, order, refs)) = self.pick(which) {
                    self.step_on(step, first, order, refs);
                }
            }
        }
    }

    /// A step on a block in use.
    fn step_on(&mut self, step: Step, first: u32, order: usize, refs: u32) {
        match step {
            Step::Free { cpu, .. } => self.free_any(cpu, first, order),
            Step::FreeTwice { cpu, .. } => {
                self.free_any(cpu, first, order);
                self.release_or_refuse_free(cpu, first, order);
            }
            Step::FreeWrongOrder { cpu, order, .. } => self.free_any(cpu, first, order),
            Step::FreeInside { cpu, offset, .. } => {
                self.free_any(cpu, first + offset % (1 << order), 0);
            }
            Step::Retain { .. } if self.compound.contains(&first) => {
                self.refused(first, self.frames.retain(Pfn::new(first)));
            }
            Step::Retain { .. } => {
                self.frames.retain(Pfn::new(first)).expect("it is in use");
                self.live.insert(first, (order, refs + 1));
            }
            Step::Release { cpu, .. } => self.release_any(cpu, first),
            Step::MarkAndBack { .. } => self.mark_and_back(Pfn::new(first), order),
            _ => unreachable!("{step:?} is on no block"),
        }
    }

    fn alloc(&mut self, cpu: usize, order: usize) -> Option<u32> {
        match self.frames.alloc(cpu, order) {
            Ok(frame) => {
                self.allocated(frame, order);
                Some(frame.get())
            }
            Err(OutOfMemory) => {
                let possible = order <= MAX_ORDER && self.has_block(order);
                assert!(!possible, "order {order} failed, but there is one");
                None
            }
        }
    }

    fn exhaust(&mut self, cpu: usize, order: usize) {
        let got: Vec<u32> = std::iter::from_fn(|| self.alloc(cpu, order)).collect();
        // Upwards and downwards, so that blocks merge at both ends.
        let (low, high) = got.split_at(got.len() / 2);
        for &first in low.iter().chain(high.iter().rev()) {
            self.free_any(cpu, first, order);
        }
    }

    fn free_any(&mut self, cpu: usize, number: u32, order: usize) {
        let result = self.frames.free(cpu, Pfn::new(number), order);
        if self.live.get(&number) == Some(&(order, 1)) && !self.compound.contains(&number) {
            assert_eq!(result, Ok(()));
            self.freed(number);
        } else {
            self.refused(number, result);
        }
    }

    /// What was perhaps freed just now is not freed by anything else than it should be.
    fn release_or_refuse_free(&mut self, cpu: usize, first: u32, order: usize) {
        if self.is_free(first) {
            let frame = Pfn::new(first);
            let error = self
                .frames
                .free(cpu, frame, order)
                .expect_err("freed just now");
            assert!(error.is_twice(), "{error}");
            self.refused(first, self.frames.release(cpu, frame));
            self.refused(first, self.frames.retain(frame));
            self.refused(first, self.frames.mark(frame, 1, 2));
            self.refused(first, self.frames.free_bulk(&[frame]));
            assert_eq!(self.frames.refs(frame), 0);
        } else {
            self.release_any(cpu, first);
        }
    }

    pub fn release_any(&mut self, cpu: usize, number: u32) {
        let result = self.frames.release(cpu, Pfn::new(number));
        if self.compound.contains(&number) {
            return self.refused(number, result);
        }
        match self.live.get_mut(&number) {
            Some((_, 1)) => {
                assert_eq!(result, Ok(true), "the last reference");
                self.freed(number);
            }
            Some((_, refs)) => {
                assert_eq!(result, Ok(false), "one of {refs} references");
                *refs -= 1;
            }
            None => self.refused(number, result),
        }
    }

    fn mark_and_back(&self, frame: Pfn, order: usize) {
        let frames = self.frames;
        if frames.mark(frame, 77, 12345).is_err() {
            let state = frames.state(frame);
            let used = matches!(state, State::Used { .. } | State::Compound { .. });
            assert!(used, "{state}");
            return;
        }
        assert_eq!((order, frames.marked(frame)), (0, Some(77)));
        assert_eq!(frames.word(frame), Some(12345));
        let error = frames.free(0, frame, 0).expect_err("marked");
        assert_eq!(error.state, State::Marked(77));
        frames.release(0, frame).expect_err("marked");
        frames.unmark(frame, 76).expect_err("another mark");
        frames.remark(frame, 76, 77).expect_err("another mark");
        frames.remark(frame, 77, 78).expect("its mark");
        let number = frame.get() as usize;
        assert_eq!(frames.mark_and_word(number), (78, 12345));
        frames.unmark(frame, 78).expect("its mark");
        assert_eq!((frames.marked(frame), frames.word(frame)), (None, None));
        assert!(frames.mark_and_word(number).0 >= 128, "no mark");
    }

    fn bulk(&mut self, cpu: usize, count: usize, keep: usize) {
        let mut out = vec![Pfn::new(0); count];
        if self.frames.alloc_bulk(cpu, &mut out).is_err() {
            assert!(self.free < count, "{} free, {count} asked", self.free);
            return;
        }
        out.iter().for_each(|&frame| self.allocated(frame, 0));
        let back = out.get(keep..).unwrap_or(&[]);
        assert_eq!(self.frames.free_bulk(back), Ok(()));
        back.iter().for_each(|frame| self.freed(frame.get()));
    }

    fn drain(&mut self) {
        self.frames.drain_caches();
        let found = self.frames.free_blocks();
        assert_eq!(found, self.blocks(), "free blocks of each order");
    }

    /// Nothing is lost: free in blocks, free in caches and in use is all there is.
    fn check(&self) {
        let stats = self.frames.stats();
        assert_eq!(stats.free, self.free, "free");
        assert_eq!(
            self.frames.free_count(),
            stats.free,
            "free, asked otherwise"
        );
        let blocks = stats.blocks.iter().enumerate();
        let in_blocks: usize = blocks.map(|(order, n)| n << order).sum();
        let cached: usize = stats.cached.iter().sum();
        assert_eq!(in_blocks + cached, stats.free, "blocks and caches");
        let live: usize = self.live.values().map(|(order, _)| 1 << order).sum();
        assert_eq!(stats.free + live, stats.total, "free and live");
        assert!(stats.least_free <= in_blocks, "fewest outside of caches");
        for (&first, &(order, refs)) in self.live.iter().take(8) {
            let frame = Pfn::new(first);
            assert_eq!(self.frames.refs(frame), refs, "references of {first:#x}");
            let expected = if self.compound.contains(&first) {
                State::Compound { order, refs }
            } else {
                State::Used { order, refs }
            };
            assert_eq!(self.frames.state(frame), expected, "{first:#x}");
        }
        assert_eq!(
            self.frames.compound_blocks(),
            self.compound.len(),
            "compound blocks"
        );
    }
}
