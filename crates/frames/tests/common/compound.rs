//! The steps on blocks that can be split, for the model.

use crate::interface::Allocator;
use crate::model::Model;
use crate::steps::Step;
use frames::{MAX_ORDER, Pfn, State, WrongFree};

/// Blocks that the steps come back to, so that they are shared, split and joined several times.
const RECENT: usize = 4;

/// What a block verb finds at a frame.
enum Found {
    Compound,
    /// A single frame, perhaps the first of a block that was split.
    Single,
    Neither,
}

pub trait Blocks {
    /// A step on what can be split.
    fn on_block(&mut self, step: Step);
}

impl<A: Allocator> Blocks for Model<'_, A> {
    fn on_block(&mut self, step: Step) {
        match step {
            Step::TryAlloc { order } => try_alloc(self, order),
            Step::RetainBlock { which, order } => {
                if let Some((first, order)) = target(self, which, order) {
                    retain(self, first, order);
                }
            }
            Step::ReleaseBlock { cpu, which, order } => {
                if let Some((first, order)) = target(self, which, order) {
                    release(self, cpu, first, order);
                }
            }
            Step::Split { which, order } => {
                if let Some((first, order)) = target(self, which, order) {
                    split(self, first, order);
                }
            }
            Step::Join { which, order } => {
                if let Some((first, order)) = target(self, which, order) {
                    join(self, first, order);
                }
            }
            Step::ReleaseUnlessLast { which } => {
                if let Some((first, _, refs)) = self.pick(which) {
                    release_unless_last(self, first, refs);
                }
            }
            _ => unreachable!("{step:?} is on no block that can be split"),
        }
    }
}

/// The frame that is named, and the order: a recent block, or what is around any one.
fn target<A: Allocator>(
    model: &Model<'_, A>,
    which: usize,
    wanted: Option<usize>,
) -> Option<(u32, usize)> {
    let Some(wanted) = wanted else {
        return model.recent.get(which % RECENT).copied();
    };
    let (first, ..) = model.pick(which)?;
    Some((first & !((1 << wanted.min(MAX_ORDER)) - 1), wanted))
}

fn is_compound<A: Allocator>(model: &mut Model<'_, A>, first: u32, order: usize) {
    model.compound.insert(first);
    model.recent.insert(0, (first, order));
    model.recent.truncate(RECENT);
}

fn found<A: Allocator>(model: &Model<'_, A>, first: u32, order: usize) -> Found {
    match model.live.get(&first) {
        Some(&(o, _)) if o == order && model.compound.contains(&first) => Found::Compound,
        Some((0, _)) if order <= MAX_ORDER => Found::Single,
        _ => Found::Neither,
    }
}

/// The single frames in use from `first` on, up to the end of the block; and whether that is all.
fn singles<A: Allocator>(model: &Model<'_, A>, first: u32, order: usize) -> (Vec<u32>, bool) {
    let single = |n: &u32| matches!(model.live.get(n), Some((0, _)));
    let singles: Vec<u32> = (first..first + (1 << order)).take_while(single).collect();
    let all = singles.len() == 1 << order;
    (singles, all)
}

/// The result of a verb that went through single frames: the frame behind the good ones is named.
fn went_through<A: Allocator>(
    model: &Model<'_, A>,
    first: u32,
    good: usize,
    all: bool,
    result: Result<(), WrongFree>,
) {
    if all {
        assert_eq!(result, Ok(()), "{good} single frames from {first:#x} on");
    } else {
        model.refused(first + good as u32, result);
    }
}

fn try_alloc<A: Allocator>(model: &mut Model<'_, A>, order: usize) {
    let blocks = model.frames.free_blocks();
    let possible = blocks.iter().skip(order).any(|&n| n > 0);
    match model.frames.try_alloc(order) {
        Some(frame) => {
            assert!(possible, "order {order} out of {blocks:?}");
            model.allocated(frame, order);
            if order > 0 {
                is_compound(model, frame.get(), order);
            }
        }
        None => assert!(!possible, "no block of order {order}, but {blocks:?}"),
    }
}

fn retain<A: Allocator>(model: &mut Model<'_, A>, first: u32, order: usize) {
    let result = model.frames.retain_block(Pfn::new(first), order);
    let (held, all) = match found(model, first, order) {
        Found::Compound => (vec![first], true),
        Found::Single => singles(model, first, order),
        Found::Neither => return model.refused(first, result),
    };
    went_through(model, first, held.len(), all, result);
    for number in held {
        model.live.get_mut(&number).expect("in use").1 += 1;
    }
}

fn release<A: Allocator>(model: &mut Model<'_, A>, cpu: usize, first: u32, order: usize) {
    let frame = Pfn::new(first);
    let unique = model.frames.is_block_unique(frame, order);
    let result = model.frames.release_block(cpu, frame, order);
    let (held, all) = match found(model, first, order) {
        Found::Compound => (vec![first], true),
        Found::Single => singles(model, first, order),
        Found::Neither => {
            assert!(!unique, "{first:#x} is not of order {order}");
            return model.refused(first, result);
        }
    };
    let alone = all && held.iter().all(|number| model.live[number].1 == 1);
    assert_eq!(unique, alone, "only holder of {first:#x}, order {order}");
    let good = held.len();
    for number in held {
        let refs = &mut model.live.get_mut(&number).expect("in use").1;
        *refs -= 1;
        if *refs == 0 {
            model.freed(number);
        }
    }
    went_through(model, first, good, all, result);
}

fn split<A: Allocator>(model: &mut Model<'_, A>, first: u32, order: usize) {
    let result = model.frames.split(Pfn::new(first), order);
    match found(model, first, order) {
        Found::Compound => {
            assert_eq!(result, Ok(()), "{first:#x}, order {order}");
            let (_, refs) = model.live[&first];
            model.compound.remove(&first);
            for number in first..first + (1 << order) {
                model.live.insert(number, (0, refs));
                let state = model.frames.state(Pfn::new(number));
                assert_eq!(state, State::Used { order: 0, refs }, "{number:#x}");
            }
        }
        Found::Single => assert_eq!(result, Ok(()), "{first:#x} is single already"),
        Found::Neither => model.refused(first, result),
    }
}

fn join<A: Allocator>(model: &mut Model<'_, A>, first: u32, order: usize) {
    let result = model.frames.join(Pfn::new(first), order);
    let unique = |n: u32| model.live.get(&n) == Some(&(0, 1));
    if order > MAX_ORDER {
        model
            .frames
            .join(Pfn::new(first), order)
            .expect_err("no such order");
    } else if (first..first + (1 << order)).all(unique) {
        assert_eq!(result, Ok(true), "{first:#x}, order {order}");
        if order > 0 {
            let joined = first..first + (1 << order);
            model.live.retain(|number, _| !joined.contains(number));
            model.live.insert(first, (order, 1));
            is_compound(model, first, order);
        }
    } else {
        // An error where it reaches out of what is managed, depending on where the records end.
        assert_ne!(result, Ok(true), "{first:#x}, order {order}");
    }
}

fn release_unless_last<A: Allocator>(model: &mut Model<'_, A>, first: u32, refs: u32) {
    let result = model.frames.release_unless_last(Pfn::new(first));
    if model.compound.contains(&first) {
        return model.refused(first, result);
    }
    assert_eq!(result, Ok(refs > 1), "{refs} references to {first:#x}");
    if refs > 1 {
        model.live.get_mut(&first).expect("in use").1 -= 1;
    }
}
