//! Threads that take turns at every lock and every contended atomic, in orders that `shuttle` picks:
//! a thousand random ones for each test, the same on each run.
//!
//! Caches hold four frames here and exchange two, so that most steps are hand-overs.

extern crate std;

mod compound;

use crate::{Frames, Layout, MAX_ORDER, Marks, Pfn, State};
use core::cell::Cell;
use lock_api::RawMutex;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, Runner, thread};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::vec;
use std::vec::Vec;

const FIRST: u32 = 0x80000;
const FRAMES: u32 = 24;

std::thread_local! {
    /// Whether `shuttle` runs the threads here; to the host, they are all one.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

/// Lets another thread go first, perhaps.
pub(crate) fn point() {
    if ACTIVE.get() {
        thread::yield_now();
    }
}

/// A lock that threads of `shuttle` wait for.
struct Turns(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
#[allow(unsafe_code)]
unsafe impl RawMutex for Turns {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Turns = Turns(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

type Shared = Arc<Frames<Turns>>;

fn new(cpus: usize) -> Shared {
    let layout = Layout {
        usable: &[Pfn::new(FIRST)..Pfn::new(FIRST + FRAMES)],
        reserved: &[],
    };
    let metadata = vec![0; layout.metadata_bytes() / 8].leak();
    Arc::new(Frames::new(&layout, metadata, cpus).expect("metadata of that size"))
}

/// Runs `work` on CPUs 0 and 1 of a new allocator, in a thousand orders, each time after `before`,
/// whose result both get; `after` gets what they returned.
fn both<B: Copy + Send + 'static, R: Send + 'static>(
    before: fn(&Shared) -> B,
    work: fn(&Shared, usize, B) -> R,
    after: fn(&Shared, B, [R; 2]),
) {
    struct Active;
    impl Drop for Active {
        fn drop(&mut self) {
            ACTIVE.set(false);
        }
    }
    let scheduler = RandomScheduler::new_from_seed(0x9a60da, 1000);
    let active = Active;
    ACTIVE.set(true);
    Runner::new(scheduler, Config::new()).run(move || {
        let frames = new(2);
        let initial = frames.free_blocks();
        let common = before(&frames);
        let other = {
            let frames = frames.clone();
            thread::spawn(move || work(&frames, 1, common))
        };
        let mine = work(&frames, 0, common);
        let others = other.join().expect("no thread panics");
        after(&frames, common, [mine, others]);
        frames.drain_caches();
        assert_eq!(frames.free_blocks(), initial, "everything given back");
    });
    drop(active);
}

/// Random allocations and frees, through one's own cache and through the other's; nobody may get a
/// frame that somebody has, and none may get lost.
#[test]
fn no_frame_is_lost_or_handed_out_twice() {
    static OWNERS: [AtomicUsize; FRAMES as usize] =
        [const { AtomicUsize::new(0) }; FRAMES as usize];
    fn claim(first: Pfn, order: usize, from: usize, to: usize) {
        for number in first.get()..first.get() + (1 << order) {
            let owner = OWNERS[(number - FIRST) as usize].swap(to, Ordering::Relaxed);
            assert_eq!(owner, from, "owner of {number:#x} before it goes to {to}");
        }
    }
    both(
        |_| {
            OWNERS
                .iter()
                .for_each(|owner| owner.store(0, Ordering::Relaxed))
        },
        |frames, cpu, ()| {
            let me = cpu + 1;
            let mut held = Vec::new();
            let free = |cpu, (first, order)| {
                claim(first, order, me, 0);
                frames.free(cpu, first, order).expect("mine until now");
            };
            for _ in 0..16 {
                if thread_rng().gen_ratio(2, 3) {
                    let order = [0, 0, 0, 2][thread_rng().gen_range(0..4)];
                    if let Ok(first) = frames.alloc(cpu, order) {
                        claim(first, order, 0, me);
                        held.push((first, order));
                    }
                } else if !held.is_empty() {
                    let block = held.swap_remove(thread_rng().gen_range(0..held.len()));
                    free(thread_rng().gen_range(0..3), block);
                }
            }
            held.into_iter().for_each(|block| free(cpu, block));
        },
        |frames, (), _| assert_eq!(frames.free_count(), FRAMES as usize),
    );
}

/// Free frames in the other CPU's cache are found, also while that CPU takes some out and puts them
/// back: CPU 0 has four in its cache, and never needs more than the three that CPU 1 leaves.
#[test]
fn nobody_fails_while_there_is_enough_for_all() {
    fn there_and_back(frames: &Shared, cpu: usize, count: u32) {
        let alloc = |_| frames.alloc(cpu, 0).expect("there is enough for all");
        let got: Vec<Pfn> = (0..count).map(alloc).collect();
        let free = |frame| frames.free(cpu, frame, 0).expect("mine");
        got.into_iter().for_each(free);
    }
    both(
        |frames| there_and_back(frames, 0, 4),
        |frames, cpu, ()| match cpu {
            0 => (0..6).for_each(|_| there_and_back(frames, 0, 3)),
            _ => there_and_back(frames, 1, FRAMES - 3),
        },
        |frames, (), _| {
            let whole = frames
                .alloc(0, 4)
                .expect("a block, put together from caches");
            frames.free(0, whole, 4).expect("mine");
        },
    );
}

#[test]
fn of_two_frees_one_is_refused() {
    both(
        |frames| frames.alloc(0, 0).expect("a frame"),
        |frames, cpu, frame| frames.free(cpu, frame, 0),
        |frames, frame, results| {
            let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            assert_eq!(refused.len(), 1, "refused: {refused:?}");
            assert_eq!(
                (refused[0].frame, frames.state(frame)),
                (frame, State::Free)
            );
            assert_eq!(frames.free_count(), FRAMES as usize);
        },
    );
}

#[test]
fn the_last_of_two_owners_frees() {
    both(
        |frames| {
            let frame = frames.alloc(0, 1).expect("a block");
            frames.retain(frame).expect("in use");
            frame
        },
        |frames, cpu, frame| {
            // One more reference for a while, as a fork has it.
            frames.retain(frame).expect("in use");
            let first = frames.release(cpu, frame).expect("in use");
            assert!(!first, "freed under two owners");
            assert_ne!(frames.refs(frame), 0, "in use");
            frames.release(cpu, frame).expect("in use")
        },
        |frames, frame, freed| {
            assert_eq!(freed.iter().filter(|&&freed| freed).count(), 1, "{freed:?}");
            assert_eq!(frames.state(frame), State::Free);
        },
    );
}

/// A frame that was shared once and has one reference left, which two give up.
#[test]
fn of_two_last_releases_one_is_refused() {
    both(
        |frames| {
            let frame = frames.alloc(0, 0).expect("a frame");
            frames.retain(frame).expect("in use");
            assert_eq!(frames.release(0, frame), Ok(false));
            frame
        },
        |frames, cpu, frame| frames.release(cpu, frame),
        |frames, frame, results| {
            let freed = results.iter().filter(|result| **result == Ok(true)).count();
            let refused = results.iter().filter(|result| result.is_err()).count();
            assert_eq!((freed, refused), (1, 1), "{results:?}");
            assert_eq!(frames.state(frame), State::Free);
            assert_eq!(frames.refs(frame), 0, "references of a free frame");
            // Not one more than that, although the count went below zero in between.
            assert_eq!(
                frames.alloc_bulk(0, &mut [Pfn::new(0); FRAMES as usize]),
                Ok(())
            );
            assert_eq!(frames.refs(frame), 1, "references of a new frame");
            for number in FIRST..FIRST + FRAMES {
                frames.free(0, Pfn::new(number), 0).expect("mine");
            }
        },
    );
}

/// One shares a frame by the only reference to it, which another gives up: a bug, but one that must not
/// make a free frame look like one in use.
#[test]
fn a_frame_that_was_freed_stays_free() {
    both(
        |frames| frames.alloc(0, 0).expect("a frame"),
        |frames, cpu, frame| match cpu {
            0 => frames.free(cpu, frame, 0),
            _ => frames.retain(frame),
        },
        |frames, frame, [freed, shared]| {
            if freed.is_ok() {
                assert_eq!(frames.state(frame), State::Free, "shared: {shared:?}");
                return;
            }
            assert_eq!((shared, frames.refs(frame)), (Ok(()), 2));
            assert_eq!(frames.release(0, frame), Ok(false));
            assert_eq!(frames.release(0, frame), Ok(true));
        },
    );
}

#[test]
fn of_two_that_take_a_mark_away_one_is_refused() {
    both(
        |frames| {
            let frame = frames.alloc(0, 0).expect("a frame");
            frames.mark(frame, 5, 0).expect("in use");
            frame
        },
        |frames, cpu, frame| match frames.unmark(frame, 5) {
            Ok(()) => {
                assert_eq!(frames.free(cpu, frame, 0), Ok(()));
                true
            }
            Err(_) => false,
        },
        |_, _, done| assert_ne!(done[0], done[1], "who had the mark"),
    );
}

/// Who sees the mark sees the word that came with it, and none that was there before.
#[test]
fn a_mark_is_seen_with_its_word() {
    both(
        |frames| frames.alloc(0, 0).expect("a frame"),
        |frames, cpu, frame| match cpu {
            0 => {
                frames.mark(frame, 5, 55).expect("in use");
                frames.remark(frame, 5, 6).expect("its mark");
                None
            }
            _ => Some(frames.mark_and_word(frame.get() as usize)),
        },
        |frames, frame, [_, seen]| {
            if let Some((mark, word)) = seen.filter(|&(mark, _)| mark < 128) {
                assert!([5, 6].contains(&mark) && word == 55, "{mark} with {word}");
            }
            frames.unmark(frame, 6).expect("its mark");
            frames.free(0, frame, 0).expect("mine");
        },
    );
}

/// Blocks up to the largest, which two CPUs' caches may keep apart.
#[test]
fn large_blocks_come_back() {
    both(
        |_| (),
        |frames, cpu, ()| {
            for order in [0, 3, 1, MAX_ORDER] {
                if let Ok(first) = frames.alloc(cpu, order) {
                    frames.free(1 - cpu, first, order).expect("mine");
                }
            }
        },
        |_, (), _| (),
    );
}
