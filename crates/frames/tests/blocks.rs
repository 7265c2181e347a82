//! Blocks that several holders share and split into single frames. Not under Miri, where each takes many
//! minutes: the crate has no unsafe code, and its locks and atomics are in `threads.rs` too.
#![cfg(not(miri))]

mod common;

use common::{TestFrames, simple};
use frames::{Marks, Pfn, State};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const LARGE: usize = 9;

fn block(frames: &TestFrames) -> Pfn {
    frames.try_alloc(LARGE).expect("a block is free")
}

fn refs(frames: &TestFrames, block: Pfn) -> Vec<u32> {
    (0..512).map(|n| frames.refs(block.plus(n))).collect()
}

#[test]
fn a_block_is_given_only_when_one_is_free() {
    let frames = simple(1024, 1);
    let first = block(&frames);
    let single = frames.alloc(0, 0).expect("a frame");
    assert_eq!(
        frames.try_alloc(LARGE),
        None,
        "a single frame is in the way"
    );
    assert_eq!(frames.try_alloc(11), None, "no such order");
    frames.free(0, single, 0).expect("in use");
    frames.release_block(0, first, LARGE).expect("in use");
    frames.drain_caches();
    assert_eq!(frames.free_blocks()[10], 1, "the memory is one block again");
}

#[test]
fn parting_passes_the_count_on() {
    for holders in 1..4 {
        let frames = simple(1024, 1);
        let block = block(&frames);
        for _ in 1..holders {
            frames.retain_block(block, LARGE).expect("in use");
        }
        assert_eq!(frames.is_block_unique(block, LARGE), holders == 1);
        frames.split(block, LARGE).expect("in use");
        assert_eq!(refs(&frames, block), [holders; 512], "{holders} holders");
        assert_eq!(frames.split(block, LARGE), Ok(()), "split already");
        assert_eq!(frames.is_block_unique(block, LARGE), holders == 1);
        // One holder goes frame by frame, the rest as before.
        for n in 0..512 {
            let last = frames.release(0, block.plus(n));
            assert_eq!(last, Ok(holders == 1), "frame {n} of {holders} holders");
        }
        for _ in 1..holders {
            frames.release_block(0, block, LARGE).expect("in use");
        }
        assert_eq!(frames.free_count(), frames.total(), "{holders} holders");
    }
}

#[test]
fn holders_of_a_parted_block_count_each_frame() {
    let frames = simple(1024, 1);
    let block = block(&frames);
    frames.retain_block(block, LARGE).expect("in use");
    frames.split(block, LARGE).expect("in use");
    frames.retain_block(block, LARGE).expect("in use");
    assert_eq!(refs(&frames, block), [3; 512]);
    frames.release_block(0, block, LARGE).expect("in use");
    frames.release_block(0, block, LARGE).expect("in use");
    assert!(frames.is_block_unique(block, LARGE));
    frames.retain(block.plus(100)).expect("in use");
    assert!(
        !frames.is_block_unique(block, LARGE),
        "one frame has another holder"
    );
    frames.release_block(0, block, LARGE).expect("in use");
    assert_eq!(frames.free_count(), frames.total() - 1);
    assert_eq!(frames.release(0, block.plus(100)), Ok(true));
    assert_eq!(frames.free_count(), frames.total());
}

#[test]
fn single_frames_become_a_block_again() {
    let frames = simple(1024, 1);
    let block = block(&frames);
    assert_eq!(frames.compound_blocks(), 1);
    assert_eq!(frames.join(block, LARGE), Ok(false), "compound already");
    frames.split(block, LARGE).expect("in use");
    assert_eq!(frames.compound_blocks(), 0);
    let one = block.plus(17);
    frames.retain(one).expect("in use");
    assert_eq!(frames.join(block, LARGE), Ok(false), "one has two holders");
    assert_eq!(frames.release(0, one), Ok(false));
    assert_eq!(frames.join(block, LARGE), Ok(true));
    assert_eq!(frames.compound_blocks(), 1);
    let inside = State::Inside {
        offset: 17,
        order: LARGE,
    };
    assert_eq!(frames.state(one), inside);
    assert!(frames.join(one, LARGE).is_err(), "not aligned");
    assert!(frames.join(Pfn::new(0), LARGE).is_err(), "outside");
    frames.split(block, LARGE).expect("in use");
    assert_eq!(frames.release(0, one), Ok(true));
    assert_eq!(frames.join(block, LARGE), Ok(false), "one is free");
    for n in (0..512).filter(|&n| n != 17) {
        assert_eq!(frames.release(0, block.plus(n)), Ok(true), "frame {n}");
    }
    assert_eq!((frames.compound_blocks(), frames.free_count()), (0, 1024));
}

#[test]
fn wrong_blocks_are_named() {
    let frames = simple(1024, 1);
    let small = frames.alloc(0, 3).expect("a block");
    let error = frames.split(small, LARGE).expect_err("of another order");
    assert_eq!(error.state, State::Used { order: 3, refs: 1 });
    let outside = Pfn::new(1);
    assert!(frames.split(outside, LARGE).is_err());
    assert!(frames.retain_block(outside, LARGE).is_err());
    assert!(frames.release_block(0, outside, LARGE).is_err());
    assert!(frames.release_unless_last(outside).is_err());
    assert!(!frames.is_block_unique(outside, LARGE));
    assert_eq!(frames.release(0, small), Ok(true));
    assert!(frames.split(small, 3).is_err(), "free already");
    assert_eq!(frames.free_count(), frames.total());
}

#[test]
fn other_verbs_refuse_a_whole_block() {
    let frames = simple(1024, 1);
    let block = block(&frames);
    frames.retain_block(block, LARGE).expect("in use");
    let compound = State::Compound {
        order: LARGE,
        refs: 2,
    };
    let errors = [
        frames.free(0, block, LARGE),
        frames.free(0, block, 0),
        frames.free_bulk(&[block]),
        frames.release(0, block).map(drop),
        frames.release_unless_last(block).map(drop),
        frames.retain(block),
        frames.mark(block, 1, 2),
        frames.split(block, 3),
        frames.retain_block(block, 3),
        frames.release_block(0, block, 10),
        frames.release_block(0, block, usize::MAX),
    ];
    for (n, error) in errors.into_iter().enumerate() {
        assert_eq!(error.expect_err("compound").state, compound, "call {n}");
    }
    let error = frames.release(0, block).expect_err("compound");
    assert_eq!(
        error.to_string(),
        "wrong free of frame 0x80000000: it is a compound block of order 9 with 2 references"
    );
    let inside = [
        frames.free(0, block.plus(7), 0),
        frames.release(0, block.plus(7)).map(drop),
        frames.release_block(0, block.plus(8), 3),
    ];
    for (n, error) in inside.into_iter().enumerate() {
        let state = error.expect_err("inside").state;
        assert!(
            matches!(state, State::Inside { order: LARGE, .. }),
            "verb {n}: {state}"
        );
    }
    assert_eq!((frames.compound_blocks(), frames.free_count()), (1, 512));
    frames.release_block(0, block, LARGE).expect("in use");
    frames.release_block(0, block, LARGE).expect("in use");
    let again = frames.release_block(0, block, LARGE).expect_err("free");
    assert!(again.is_twice(), "{again}");
    assert_eq!((frames.compound_blocks(), frames.free_count()), (0, 1024));
}

/// What `alloc` gives is one block for good, and none that was counted as compound.
#[test]
fn other_blocks_stay_one() {
    let frames = simple(1024, 1);
    let block = frames.alloc(0, LARGE).expect("a block");
    let used = State::Used {
        order: LARGE,
        refs: 1,
    };
    let errors = [
        frames.split(block, LARGE),
        frames.retain_block(block, LARGE),
        frames.release_block(0, block, LARGE),
    ];
    for (n, error) in errors.into_iter().enumerate() {
        assert_eq!(error.expect_err("not to be split").state, used, "verb {n}");
    }
    assert_eq!(frames.compound_blocks(), 0);
    frames
        .free(0, block, LARGE)
        .expect("nothing happened to it");
    let single = frames.try_alloc(0).expect("a frame");
    assert_eq!(frames.join(single, 0), Ok(true), "it stays what it is");
    assert_eq!(frames.split(single, 0), Ok(()));
    assert_eq!(frames.compound_blocks(), 0);
    frames.release_block(0, single, 0).expect("in use");
    assert_eq!(frames.free_count(), 1024);
}

#[test]
fn the_last_reference_stays() {
    let frames = simple(64, 1);
    let frame = frames.alloc(0, 0).expect("a frame");
    assert_eq!(frames.release_unless_last(frame), Ok(false), "never shared");
    frames.retain(frame).expect("in use");
    assert_eq!(frames.release_unless_last(frame), Ok(true));
    assert_eq!(frames.release_unless_last(frame), Ok(false), "shared once");
    assert_eq!(frames.refs(frame), 1);
    assert_eq!(frames.release(0, frame), Ok(true));
    assert!(frames.release_unless_last(frame).is_err(), "free");
}

#[test]
fn holders_on_several_threads_lose_nothing() {
    const HOLDERS: u32 = 4;
    let frames = simple(4096, HOLDERS as usize);
    for round in 0..200 {
        let block = block(&frames);
        for _ in 1..HOLDERS {
            frames.retain_block(block, LARGE).expect("in use");
        }
        let frames = &frames;
        let last = &AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for cpu in 0..HOLDERS as usize {
                scope.spawn(move || {
                    frames.retain_block(block, LARGE).expect("in use");
                    if (round + cpu) % 3 == 0 {
                        frames.split(block, LARGE).expect("in use");
                        for n in 0..512 {
                            frames.release(cpu, block.plus(n)).expect("in use");
                        }
                    } else {
                        frames.release_block(cpu, block, LARGE).expect("in use");
                    }
                    last.fetch_add(usize::from(frames.is_block_unique(block, LARGE)), Relaxed);
                    frames.release_block(cpu, block, LARGE).expect("in use");
                });
            }
        });
        let free = frames.free_count();
        assert_eq!(free, frames.total(), "round {round}");
        assert!(
            last.load(Relaxed) <= 1,
            "round {round}: two were the only one"
        );
        frames.drain_caches();
    }
}
