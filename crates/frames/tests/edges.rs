//! Single cases: the ends of memory, wrong frees by name, memory pressure.

mod common;

use common::{Spin, TestFrames, held, make, range, rounds, simple};
use frames::{
    Frames, Layout, MAX_ORDER, MAX_SHRINKERS, OutOfMemory, Pfn, Shrinker, State, order_for,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn metadata_takes_less_than_six_bytes_a_frame() {
    let layout = Layout {
        usable: &[range(0x80000, 0x88000)],
        reserved: &[],
    };
    let bytes = layout.metadata_bytes();
    assert!(bytes < 6 * 0x8000, "{bytes} bytes for {} frames", 0x8000);
    let short = vec![0; bytes / 8 - 1].leak();
    assert!(
        Frames::<Spin>::new(&layout, short, 1).is_none(),
        "metadata that is too short"
    );
}

#[test]
fn memory_may_be_nothing() {
    let frames = make(&[], &[], 2);
    assert_eq!((frames.total(), frames.alloc(0, 0)), (0, Err(OutOfMemory)));
    assert_eq!(frames.state(Pfn::new(0)), State::Outside);
    assert_eq!(frames.alloc_bulk(0, &mut [Pfn::new(0)]), Err(OutOfMemory));
    assert_eq!(frames.alloc_bulk(0, &mut []), Ok(()));
}

#[test]
fn wrong_frees_are_named() {
    let frames = make(&[range(0x80000, 0x80400)], &[range(0x80000, 0x80010)], 1);
    let text = |frame: u32, order: usize| {
        frames
            .free(0, Pfn::new(frame), order)
            .expect_err("a wrong free")
            .to_string()
    };
    assert_eq!(
        text(0x7ffff, 0),
        "wrong free of frame 0x7ffff000 with order 0: it is outside of managed memory"
    );
    assert_eq!(
        text(0x80003, 0),
        "wrong free of frame 0x80003000 with order 0: it is reserved"
    );
    assert_eq!(
        text(0x80020, 0),
        "wrong free of frame 0x80020000 with order 0: it is free already"
    );
    let block = frames.alloc(0, 4).unwrap();
    assert_eq!(block, Pfn::new(0x80010));
    assert_eq!(
        text(0x80010, 3),
        "wrong free of frame 0x80010000 with order 3: it is in use with order 4"
    );
    assert_eq!(
        text(0x80011, 4),
        "wrong free of frame 0x80011000 with order 4 (misaligned): it is frame 1 of a block of order 4"
    );
    frames.retain(block).unwrap();
    assert_eq!(
        text(0x80010, 4),
        "wrong free of frame 0x80010000 with order 4: it is in use with order 4 and 2 references"
    );
    assert_eq!(frames.release(0, block), Ok(false));
    assert_eq!(frames.free(0, block, 4), Ok(()), "no longer shared");
    assert_eq!(frames.free_count(), frames.total());
}

#[test]
fn a_frame_in_a_cache_is_free_already() {
    let frames = simple(64, 2);
    let frame = frames.alloc(1, 0).unwrap();
    frames.free(1, frame, 0).unwrap();
    let cached = frames.stats().cached;
    assert!(cached[1] > 0, "in the cache of CPU 1: {cached:?}");
    for cpu in [0, 1, 2, usize::MAX] {
        let error = frames.free(cpu, frame, 0).expect_err("free already");
        assert!(error.is_twice(), "by CPU {cpu}: {error}");
        let error = frames
            .free(cpu, frame, 1)
            .expect_err("free, and another order");
        assert!(error.is_twice(), "by CPU {cpu}: {error}");
        let error = frames.release(cpu, frame).expect_err("free already");
        assert!(error.is_twice(), "by CPU {cpu}: {error}");
    }
    assert!(frames.free_bulk(&[frame]).is_err(), "free already");
    assert_eq!((frames.free_count(), frames.stats().cached), (64, cached));
}

#[test]
fn a_huge_order_frees_nothing() {
    let frames = simple(64, 1);
    let frame = frames.alloc(0, 0).unwrap();
    for order in [11, 16, 32, 256, usize::MAX] {
        assert_eq!(frames.alloc(0, order), Err(OutOfMemory), "order {order}");
        let error = frames.free(0, frame, order).expect_err("no such order");
        assert_eq!(error.state, State::Used { order: 0, refs: 1 });
    }
    assert_eq!(frames.free(0, frame, 0), Ok(()));
}

#[test]
fn all_memory_can_be_used_and_comes_back() {
    const ALL: usize = rounds(5000);
    let frames = simple(ALL as u32, 2);
    let initial = frames.free_blocks();
    for round in 0..3 {
        let mut got: Vec<Pfn> = (0..).map_while(|i| frames.alloc(i % 3, 0).ok()).collect();
        assert_eq!((got.len(), frames.free_count()), (ALL, 0), "round {round}");
        got.sort();
        got.dedup();
        assert_eq!(got.len(), ALL, "no frame twice");
        // Every other frame first, so that nothing merges until the second half.
        for frame in got.iter().step_by(2).chain(got.iter().skip(1).step_by(2)) {
            frames.free(round, *frame, 0).unwrap();
        }
        frames.drain_caches();
        assert_eq!(frames.free_blocks(), initial, "round {round}");
    }
    assert_eq!(frames.stats().least_free, 0);
}

#[test]
fn frames_in_other_caches_are_found() {
    let frames = simple(8, 2);
    let got: Vec<Pfn> = (0..8).map(|_| frames.alloc(0, 0).unwrap()).collect();
    got.iter()
        .for_each(|&frame| frames.free(0, frame, 0).unwrap());
    assert_eq!(frames.stats().cached[0], 8);
    assert_eq!(
        frames.alloc(1, 3),
        Ok(Pfn::new(0x80000)),
        "the block that the cache was hiding"
    );
}

#[test]
fn bulk_is_all_or_nothing() {
    let frames = simple(100, 1);
    let mut out = [Pfn::new(0); 101];
    assert_eq!(frames.alloc_bulk(0, &mut out), Err(OutOfMemory));
    assert_eq!(frames.free_count(), 100);
    assert_eq!(frames.alloc_bulk(0, &mut out[..100]), Ok(()));
    assert_eq!(frames.free_count(), 0);
    frames.free(0, out[70], 0).unwrap();
    let error = frames
        .free_bulk(&out[..100])
        .expect_err("one is free already");
    assert_eq!((error.frame, error.state), (out[70], State::Free));
    assert_eq!(frames.free_count(), 71, "those before it, and it");
    assert_eq!(frames.free_bulk(&out[71..100]), Ok(()));
    assert_eq!(frames.free_count(), 100);
}

/// A cache of frames that gives them back when asked, and itself allocates meanwhile.
struct Hoard {
    frames: &'static TestFrames,
    held: Mutex<Vec<Pfn>>,
    asked: AtomicUsize,
}

impl Shrinker for Hoard {
    fn shrink(&self, wanted: usize) -> usize {
        assert_eq!(held(), 0, "locks held while a shrinker runs");
        self.asked.fetch_add(1, Ordering::Relaxed);
        let inner = self.frames.alloc(0, 0);
        assert_eq!(
            inner,
            Err(OutOfMemory),
            "no memory, and no second round of in_reclaim"
        );
        let mut held = self.held.lock().unwrap();
        let some = wanted.min(held.len());
        for frame in held.drain(..some) {
            self.frames.free(0, frame, 0).unwrap();
        }
        some
    }

    fn reclaimable(&self) -> usize {
        assert_eq!(held(), 0, "locks held while a shrinker is asked");
        self.held.lock().unwrap().len()
    }
}

#[test]
fn shrinkers_are_asked_before_an_allocation_fails() {
    let frames: &'static TestFrames = Box::leak(Box::new(simple(64, 1)));
    let held: Vec<Pfn> = (0..64).map(|_| frames.alloc(0, 0).unwrap()).collect();
    let asked = AtomicUsize::new(0);
    let hoard: &'static Hoard = Box::leak(Box::new(Hoard {
        frames,
        held: Mutex::new(held),
        asked,
    }));
    assert!(frames.register_shrinker(hoard));
    assert_eq!(frames.stats().reclaimable, 64);
    let got = (0..64)
        .map(|_| frames.alloc(0, 0).expect("the hoard gives"))
        .collect::<Vec<_>>();
    assert_eq!(
        hoard.asked.load(Ordering::Relaxed),
        4,
        "16 frames each time"
    );
    assert_eq!(frames.alloc(0, 0), Err(OutOfMemory));
    assert_eq!(hoard.asked.load(Ordering::Relaxed), 5);
    got.iter()
        .for_each(|&frame| frames.free(0, frame, 0).unwrap());
    assert_eq!(frames.free_count(), 64);
}

#[test]
fn a_large_block_is_put_together_under_pressure() {
    let frames: &'static TestFrames = Box::leak(Box::new(simple(64, 1)));
    let held = (0..64).map(|_| frames.alloc(0, 0).unwrap()).collect();
    let hoard = Hoard {
        frames,
        held: Mutex::new(held),
        asked: AtomicUsize::new(0),
    };
    assert!(frames.register_shrinker(Box::leak(Box::new(hoard))));
    assert_eq!(frames.alloc(0, 6), Ok(Pfn::new(0x80000)));
}

/// Notes when it is asked, and what was in the CPUs' caches then.
struct Witness {
    frames: &'static TestFrames,
    name: char,
    asked: &'static Mutex<Vec<(char, usize)>>,
}

impl Shrinker for Witness {
    fn shrink(&self, _: usize) -> usize {
        let cached = self.frames.stats().cached.iter().sum();
        self.asked.lock().unwrap().push((self.name, cached));
        0
    }

    fn reclaimable(&self) -> usize {
        0
    }
}

#[test]
fn caches_are_asked_in_turn_and_then_the_cpus_emptied() {
    let frames: &'static TestFrames = Box::leak(Box::new(simple(32, 2)));
    let asked: &'static Mutex<Vec<(char, usize)>> = Box::leak(Box::default());
    for name in ['a', 'b'] {
        let witness = Witness {
            frames,
            name,
            asked,
        };
        assert!(frames.register_shrinker(Box::leak(Box::new(witness))));
    }
    let got: Vec<Pfn> = (0..32).map(|_| frames.alloc(1, 0).unwrap()).collect();
    let (kept, back) = got.split_at(22);
    back.iter()
        .for_each(|&frame| frames.free(1, frame, 0).unwrap());
    let before = frames.stats();
    assert_eq!((before.cached[1], before.stalls, before.failed), (10, 0, 0));

    let found = frames
        .alloc(0, 0)
        .expect("one of those in the cache of CPU 1");
    assert!(back.contains(&found), "{found:?}");
    assert_eq!(
        *asked.lock().unwrap(),
        [('a', 10), ('b', 10)],
        "asked while the cache was full"
    );
    let after = frames.stats();
    assert_eq!((after.cached, after.stalls, after.failed), ([0; 8], 1, 0));

    let rest: Vec<Pfn> = (0..9)
        .map(|_| frames.alloc(0, 0).expect("the others"))
        .collect();
    asked.lock().unwrap().clear();
    assert_eq!(frames.alloc(0, 0), Err(OutOfMemory));
    assert_eq!(
        *asked.lock().unwrap(),
        [('a', 0), ('b', 0)],
        "asked before it failed"
    );
    assert_eq!(frames.alloc(0, MAX_ORDER + 1), Err(OutOfMemory));
    let after = frames.stats();
    assert_eq!(
        (after.stalls, after.failed),
        (2, 1),
        "no order is no reason to ask"
    );
    assert_eq!((after.least_free, after.most_used()), (0, 32));
    for &frame in kept.iter().chain(&rest).chain(&[found]) {
        frames.free(0, frame, 0).unwrap();
    }
    assert_eq!(
        frames.alloc(0, 5),
        Ok(Pfn::new(0x80000)),
        "all of it is there again"
    );
}

#[test]
fn shrinkers_have_a_limit() {
    struct Nothing;
    impl Shrinker for Nothing {
        fn shrink(&self, _: usize) -> usize {
            0
        }
        fn reclaimable(&self) -> usize {
            0
        }
    }
    let frames = simple(1, 1);
    assert!((0..MAX_SHRINKERS).all(|_| frames.register_shrinker(&Nothing)));
    assert!(!frames.register_shrinker(&Nothing));
}

#[test]
fn orders_of_sizes() {
    let orders = [0, 1, 4096, 4097, 12288, 1 << 22, (1 << 22) + 1].map(order_for);
    assert_eq!(
        orders,
        [Some(0), Some(0), Some(0), Some(1), Some(2), Some(10), None]
    );
}

#[test]
fn an_allocator_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TestFrames>();
}
