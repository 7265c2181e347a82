//! Two threads on one allocator, each frame written by who has it.

mod common;

use common::{Numbers, rounds, simple};
use frames::Pfn;
use std::sync::atomic::{AtomicU32, Ordering};

const FRAMES: u32 = 2048;

#[test]
fn no_frame_has_two_owners() {
    let frames = simple(FRAMES, 2);
    let initial = frames.free_blocks();
    let owners: Vec<AtomicU32> = (0..FRAMES).map(|_| AtomicU32::new(0)).collect();
    let claim = |first: Pfn, order: usize, from: u32, to: u32| {
        let start = (first.get() - 0x80000) as usize;
        for owner in &owners[start..start + (1 << order)] {
            let swapped = owner.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
            assert_eq!(swapped, Ok(from), "owner of {first:?} when it goes to {to}");
        }
    };
    let work = |cpu: usize| {
        let me = cpu as u32 + 1;
        let mut numbers = Numbers::new(me.into());
        let mut held = Vec::new();
        for _ in 0..rounds(20_000) {
            if numbers.below(100) < 52 {
                let order = if numbers.below(8) == 0 {
                    numbers.below(8)
                } else {
                    0
                };
                if let Ok(first) = frames.alloc(cpu, order) {
                    claim(first, order, 0, me);
                    held.push((first, order));
                }
            } else if !held.is_empty() {
                let (first, order) = held.swap_remove(numbers.below(held.len()));
                claim(first, order, me, 0);
                // The other CPU's number sometimes: it is a hint and nothing else.
                frames.free(numbers.below(3), first, order).unwrap();
            }
        }
        for (first, order) in held {
            claim(first, order, me, 0);
            frames.free(cpu, first, order).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(0));
        scope.spawn(|| work(1));
    });
    frames.drain_caches();
    assert_eq!(frames.free_blocks(), initial, "everything given back");
}

#[test]
fn the_last_of_two_owners_frees() {
    let frames = simple(16, 2);
    for _ in 0..rounds(5_000) {
        let frame = frames.alloc(0, 0).unwrap();
        frames.retain(frame).unwrap();
        let freed = std::sync::Mutex::new(0);
        let release =
            |cpu| *freed.lock().unwrap() += usize::from(frames.release(cpu, frame).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| release(1));
            release(0);
        });
        assert_eq!(freed.into_inner().unwrap(), 1);
    }
    assert_eq!(frames.free_count(), 16);
}

#[test]
fn of_two_frees_one_is_refused() {
    let frames = simple(64, 2);
    let refused = AtomicU32::new(0);
    for _ in 0..rounds(2_000) {
        let frame = frames.alloc(0, 0).unwrap();
        let free = |cpu| {
            if frames.free(cpu, frame, 0).is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| free(1));
            free(0);
        });
    }
    let refused = refused.into_inner() as usize;
    assert_eq!((refused, frames.free_count()), (rounds(2_000), 64));
}
