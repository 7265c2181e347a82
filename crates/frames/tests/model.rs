//! Random steps against a plain model: which frames are in use, with which order and how often.

mod common;

use common::{TestFrames, make, range};
use frames::{MAX_ORDER, Pfn, State};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

#[derive(Clone, Debug)]
enum Step {
    Alloc {
        cpu: usize,
        order: usize,
    },
    Free {
        cpu: usize,
        which: usize,
    },
    FreeAgain {
        cpu: usize,
        which: usize,
    },
    FreeWrongOrder {
        cpu: usize,
        which: usize,
        order: usize,
    },
    FreeInside {
        cpu: usize,
        which: usize,
        offset: u32,
    },
    Retain {
        which: usize,
    },
    Release {
        cpu: usize,
        which: usize,
    },
    MarkAndBack {
        which: usize,
    },
    Bulk {
        cpu: usize,
        count: usize,
        keep: usize,
    },
    Drain,
}

/// What must be true.
struct Model {
    all: BTreeSet<u32>,
    free: BTreeSet<u32>,
    /// First frame, order and references of each block in use.
    live: BTreeMap<u32, (usize, u32)>,
}

impl Model {
    fn pick(&self, which: usize) -> Option<(u32, usize, u32)> {
        let (&first, &(order, refs)) = self.live.iter().nth(which % self.live.len().max(1))?;
        Some((first, order, refs))
    }

    fn allocated(&mut self, frame: Pfn, order: usize) {
        let first = frame.get();
        assert_eq!(
            first % (1 << order),
            0,
            "{frame:?} is not aligned for order {order}"
        );
        for number in first..first + (1 << order) {
            assert!(self.free.remove(&number), "frame {number:#x} was not free");
        }
        self.live.insert(first, (order, 1));
    }

    fn freed(&mut self, first: u32) {
        let (order, _) = self.live.remove(&first).expect("a live block");
        self.free.extend(first..first + (1 << order));
    }

    fn is_free(&self, first: u32, order: usize) -> bool {
        self.free.range(first..first + (1 << order)).count() == 1 << order
    }

    fn has_block(&self, order: usize) -> bool {
        let aligned = |first: &&u32| first.is_multiple_of(1 << order);
        self.free
            .iter()
            .filter(aligned)
            .any(|&first| self.is_free(first, order))
    }

    /// Free blocks that are part of no larger one.
    fn blocks(&self) -> [usize; MAX_ORDER + 1] {
        let mut blocks = [0; MAX_ORDER + 1];
        let mut next = 0;
        for &first in &self.free {
            if first >= next {
                let fits =
                    |&order: &usize| first.is_multiple_of(1 << order) && self.is_free(first, order);
                let order = (0..=MAX_ORDER).rev().find(fits).unwrap();
                blocks[order] += 1;
                next = first + (1 << order);
            }
        }
        blocks
    }
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>();
    let cpu = 0usize..4; // one more than there are
    let order = prop_oneof![6 => Just(0usize), 3 => 1usize..5, 1 => 5usize..=MAX_ORDER + 1];
    prop_oneof![
        40 => (cpu.clone(), order).prop_map(|(cpu, order)| Step::Alloc { cpu, order }),
        30 => (cpu.clone(), which).prop_map(|(cpu, which)| Step::Free { cpu, which }),
        3 => (cpu.clone(), which).prop_map(|(cpu, which)| Step::FreeAgain { cpu, which }),
        3 => (cpu.clone(), which, 0usize..20)
            .prop_map(|(cpu, which, order)| Step::FreeWrongOrder { cpu, which, order }),
        3 => (cpu.clone(), which, 1u32..1024)
            .prop_map(|(cpu, which, offset)| Step::FreeInside { cpu, which, offset }),
        6 => which.prop_map(|which| Step::Retain { which }),
        10 => (cpu.clone(), which).prop_map(|(cpu, which)| Step::Release { cpu, which }),
        3 => which.prop_map(|which| Step::MarkAndBack { which }),
        4 => (cpu, 0usize..300, 0usize..10)
            .prop_map(|(cpu, count, keep)| Step::Bulk { cpu, count, keep }),
        3 => Just(Step::Drain),
    ]
}

fn run(frames: &TestFrames, model: &mut Model, step: &Step) {
    match *step {
        Step::Alloc { cpu, order } => match frames.alloc(cpu, order) {
            Ok(frame) => model.allocated(frame, order),
            Err(_) if order > MAX_ORDER => {}
            Err(_) => assert!(
                !model.has_block(order),
                "order {order} failed, but there is one"
            ),
        },
        Step::Free { cpu, which } => {
            let Some((first, order, refs)) = model.pick(which) else {
                return;
            };
            let result = frames.free(cpu, Pfn::new(first), order);
            assert_eq!(result.is_ok(), refs == 1, "{refs} references: {result:?}");
            if refs == 1 {
                model.freed(first);
            }
        }
        Step::FreeAgain { cpu, which } => {
            let Some(&number) = model.free.iter().nth(which % model.free.len().max(1)) else {
                return;
            };
            let error = frames
                .free(cpu, Pfn::new(number), 0)
                .expect_err("it is free");
            assert!(error.is_twice(), "{error}");
            assert_eq!(frames.refs(Pfn::new(number)), 0);
            frames
                .release(cpu, Pfn::new(number))
                .expect_err("nobody has it");
            frames.retain(Pfn::new(number)).expect_err("nobody has it");
        }
        Step::FreeWrongOrder {
            cpu,
            which,
            order: wrong,
        } => {
            let Some((first, order, refs)) = model.pick(which) else {
                return;
            };
            if wrong != order {
                let error = frames
                    .free(cpu, Pfn::new(first), wrong)
                    .expect_err("wrong order");
                assert_eq!(error.state, State::Used { order, refs });
            }
        }
        Step::FreeInside { cpu, which, offset } => {
            let Some((first, order, _)) = model.pick(which) else {
                return;
            };
            let offset = offset % (1 << order);
            if offset != 0 {
                let inner = Pfn::new(first + offset);
                let error = frames.free(cpu, inner, 0).expect_err("inside a block");
                assert_eq!(error.state, State::Inside { offset, order });
            }
        }
        Step::Retain { which } => {
            let Some((first, order, refs)) = model.pick(which) else {
                return;
            };
            frames.retain(Pfn::new(first)).expect("it is in use");
            model.live.insert(first, (order, refs + 1));
        }
        Step::Release { cpu, which } => {
            let Some((first, order, refs)) = model.pick(which) else {
                return;
            };
            let freed = frames.release(cpu, Pfn::new(first));
            assert_eq!(freed, Ok(refs == 1), "release of one of {refs}");
            match refs {
                1 => model.freed(first),
                _ => drop(model.live.insert(first, (order, refs - 1))),
            }
        }
        Step::MarkAndBack { which } => {
            let Some((first, order, _)) = model.pick(which) else {
                return;
            };
            let frame = Pfn::new(first);
            if frames.mark(frame, 77).is_err() {
                let state = frames.state(frame);
                assert!(matches!(state, State::Used { .. }), "{state}");
                return;
            }
            assert_eq!((order, frames.marked(frame)), (0, Some(77)));
            frames
                .word(frame)
                .unwrap()
                .store(12345, std::sync::atomic::Ordering::Relaxed);
            let error = frames.free(0, frame, 0).expect_err("marked");
            assert_eq!(error.state, State::Marked(77));
            frames.release(0, frame).expect_err("marked");
            frames.unmark(frame, 76).expect_err("another mark");
            frames.unmark(frame, 77).expect("its mark");
        }
        Step::Bulk { cpu, count, keep } => {
            let mut out = vec![Pfn::new(0); count];
            if frames.alloc_bulk(cpu, &mut out).is_err() {
                assert!(
                    model.free.len() < count,
                    "{} free, {count} asked",
                    model.free.len()
                );
                return;
            }
            out.iter().for_each(|&frame| model.allocated(frame, 0));
            let back = out.get(keep..).unwrap_or(&[]);
            assert_eq!(frames.free_bulk(back), Ok(()));
            back.iter().for_each(|frame| model.freed(frame.get()));
        }
        Step::Drain => {
            frames.drain_caches();
            assert_eq!(
                frames.free_blocks(),
                model.blocks(),
                "free blocks of each order"
            );
        }
    }
}

fn check(frames: &TestFrames, model: &Model) {
    assert_eq!(frames.free_count(), model.free.len(), "free");
    let stats = frames.stats();
    let in_blocks: usize = stats
        .blocks
        .iter()
        .enumerate()
        .map(|(order, n)| n << order)
        .sum();
    let cached: usize = stats.cached.iter().sum();
    assert_eq!(in_blocks + cached, stats.free, "blocks and caches");
    let live: usize = model.live.values().map(|(order, _)| 1 << order).sum();
    assert_eq!(stats.free + live, stats.total, "free and live");
    for (&first, &(order, refs)) in model.live.iter().take(8) {
        assert_eq!(
            frames.refs(Pfn::new(first)),
            refs,
            "references of {first:#x}"
        );
        assert_eq!(frames.state(Pfn::new(first)), State::Used { order, refs });
    }
}

/// Ranges within some 6,000 frames.
fn ranges(most: usize) -> impl Strategy<Value = Vec<Range<Pfn>>> {
    let one = (0u32..6000, 0u32..2500).prop_map(|(start, len)| {
        let start = 0x80000 + start;
        range(start, start + len)
    });
    prop::collection::vec(one, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn behaves_like_the_model(
        usable in ranges(4),
        reserved in ranges(3),
        cpus in 0usize..4,
        steps in prop::collection::vec(step(), 1..2000),
    ) {
        let frames = make(&usable, &reserved, cpus);
        let within = |set: &[Range<Pfn>]| -> BTreeSet<u32> {
            set.iter().flat_map(|r| r.start.get()..r.end.get()).collect()
        };
        let all: BTreeSet<u32> = within(&usable).difference(&within(&reserved)).copied().collect();
        let mut model = Model { free: all.clone(), all, live: BTreeMap::new() };
        assert_eq!(frames.total(), model.all.len(), "managed frames");
        let initial = frames.free_blocks();
        assert_eq!(initial, model.blocks(), "free blocks at the start");
        for step in &steps {
            run(&frames, &mut model, step);
            check(&frames, &model);
        }
        for (first, (_, refs)) in std::mem::take(&mut model.live) {
            for left in (0..refs).rev() {
                assert_eq!(frames.release(0, Pfn::new(first)), Ok(left == 0));
            }
        }
        frames.drain_caches();
        assert_eq!(frames.free_blocks(), initial, "everything given back");
    }

    #[test]
    fn finds_room_for_the_metadata(usable in ranges(4), reserved in ranges(3), count in 1usize..500) {
        let layout = frames::Layout { usable: &usable, reserved: &reserved };
        let taken = |n: u32| reserved.iter().any(|r| r.contains(&Pfn::new(n)));
        let ram = |n: u32| usable.iter().any(|r| r.contains(&Pfn::new(n)));
        if let Some(place) = layout.place(count) {
            let all = (place.get()..place.get() + count as u32).all(|n| ram(n) && !taken(n));
            prop_assert!(all, "{place:?} and {count} frames");
        }
        let counted = (0x80000..0x82200).filter(|&n| ram(n) && !taken(n)).count();
        prop_assert_eq!(layout.free_frames(), counted);
    }
}
