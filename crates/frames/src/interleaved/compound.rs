//! Two holders of a block of four frames, one of whom splits or joins it meanwhile.

use super::{FRAMES, Shared, Vec, both};
use crate::{Pfn, State};

const ORDER: usize = 2;

fn block(frames: &Shared) -> Pfn {
    frames.try_alloc(ORDER).expect("a block is free")
}

fn shared_block(frames: &Shared) -> Pfn {
    let block = block(frames);
    frames.retain_block(block, ORDER).expect("in use");
    block
}

fn shared_parts(frames: &Shared) -> Pfn {
    let block = shared_block(frames);
    frames.split(block, ORDER).expect("in use");
    block
}

fn each(block: Pfn) -> impl Iterator<Item = Pfn> {
    (0..1 << ORDER).map(move |n| block.plus(n))
}

fn all_is_free(frames: &Shared, block: Pfn) {
    for frame in each(block) {
        assert_eq!(frames.state(frame), State::Free, "{frame:?}");
    }
    let numbers = (frames.free_count(), frames.compound_blocks());
    assert_eq!(
        numbers,
        (FRAMES as usize, 0),
        "free frames and compound blocks"
    );
}

/// One splits the block and gives its frames up one by one, the other gives it up as a block.
#[test]
fn a_block_is_parted_while_another_gives_it_up() {
    both(
        shared_block,
        |frames, cpu, block| {
            if cpu == 0 {
                frames.split(block, ORDER).expect("in use");
                let last = |frame| frames.release(cpu, frame).expect("in use");
                each(block).filter(|&frame| last(frame)).count()
            } else {
                frames.release_block(cpu, block, ORDER).expect("in use");
                0
            }
        },
        |frames, block, _| all_is_free(frames, block),
    );
}

/// One splits the block, the other gets a further reference to it, as a fork does, and gives both up.
#[test]
fn a_block_is_parted_while_another_shares_it() {
    both(
        shared_block,
        |frames, cpu, block| {
            if cpu == 0 {
                frames.split(block, ORDER).expect("in use");
            } else {
                frames.retain_block(block, ORDER).expect("in use");
                frames.release_block(cpu, block, ORDER).expect("in use");
            }
        },
        |frames, block, _| {
            for frame in each(block) {
                assert_eq!(frames.refs(frame), 2, "references of {frame:?}");
                assert_eq!(frames.release(0, frame), Ok(false));
            }
            frames.release_block(1, block, ORDER).expect("in use");
            all_is_free(frames, block);
        },
    );
}

#[test]
fn two_part_a_block() {
    both(
        shared_block,
        |frames, cpu, block| {
            frames.split(block, ORDER).expect("in use");
            let last = |frame| frames.release(cpu, frame).expect("in use");
            each(block).filter(|&frame| last(frame)).count()
        },
        |frames, block, last| {
            assert_eq!(last[0] + last[1], 1 << ORDER, "frames that came back");
            all_is_free(frames, block);
        },
    );
}

/// One joins the frames, which works only after the other has given up all of them.
#[test]
fn frames_are_joined_when_nobody_else_has_any() {
    both(
        shared_parts,
        |frames, cpu, block| {
            if cpu == 0 {
                let joined = frames.join(block, ORDER).expect("aligned");
                let compound = State::Compound {
                    order: ORDER,
                    refs: 1,
                };
                if joined {
                    assert!(frames.is_block_unique(block, ORDER), "joined");
                    assert_eq!(frames.state(block), compound);
                }
            } else {
                frames.retain_block(block, ORDER).expect("in use");
                assert!(!frames.is_block_unique(block, ORDER), "its own two");
                frames.release_block(cpu, block, ORDER).expect("in use");
                frames.release_block(cpu, block, ORDER).expect("in use");
            }
        },
        |frames, block, _| {
            assert!(frames.is_block_unique(block, ORDER), "one is left");
            frames.release_block(0, block, ORDER).expect("in use");
            all_is_free(frames, block);
        },
    );
}

/// Both give the block up, each as it finds it; who is alone at first may write to it.
#[test]
fn at_most_one_is_the_only_holder() {
    both(
        shared_block,
        |frames, cpu, block| {
            let unique = frames.is_block_unique(block, ORDER);
            frames.release_block(cpu, block, ORDER).expect("in use");
            unique
        },
        |frames, block, unique| {
            assert_ne!(unique, [true, true], "the only holder");
            all_is_free(frames, block);
        },
    );
}

/// A block with one reference, which two give up.
#[test]
fn of_two_releases_of_a_block_one_is_refused() {
    both(
        block,
        |frames, cpu, block| frames.release_block(cpu, block, ORDER),
        |frames, block, results| {
            let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            assert_eq!(refused.len(), 1, "refused: {refused:?}");
            assert_eq!(refused[0].state, State::Free, "{}", refused[0]);
            all_is_free(frames, block);
        },
    );
}

/// One splits its block while another gives up the first frame that it does not have: a bug, which is
/// refused until that is a single frame.
#[test]
fn a_wrong_release_does_not_meet_a_block_half_parted() {
    both(
        block,
        |frames, cpu, block| match cpu {
            0 => frames.split(block, ORDER).map(|()| false),
            _ => frames.release(cpu, block),
        },
        |frames, block, [split, released]| {
            assert_eq!(split, Ok(false), "the wrong release: {released:?}");
            let rest = each(block).skip(usize::from(released.is_ok()));
            for frame in rest {
                assert_eq!(frames.release(0, frame), Ok(true), "{frame:?}");
            }
            all_is_free(frames, block);
        },
    );
}
