//! Anonymous memory that fork shares.

use crate::world::{PAGE, RW, World};
use abi::{MMAP_BASE, MapFlags, Prot};
use std::sync::Barrier;
use vm::{Access, Fault, FaultError};

const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);
const BASE: u64 = MMAP_BASE;

fn world(pages: u64) -> World {
    let mut world = World::with_space(256);
    assert_eq!(world.space().mmap(0, pages * PAGE, RW, SHARED), Ok(BASE));
    world
}

#[test]
fn both_see_what_either_writes_before_and_after() {
    let mut world = world(4);
    world.store(0, BASE, 1).expect("writable");
    world.fork(0).expect("memory");
    assert_eq!(world.load(1, BASE), Ok(1));
    world.store(1, BASE, 2).expect("writable");
    assert_eq!(world.load(0, BASE), Ok(2));
    assert_eq!(
        world.load(0, BASE + PAGE),
        Ok(0),
        "touched by the parent first, after the fork"
    );
    world.store(1, BASE + PAGE + 8, 3).expect("writable");
    assert_eq!(world.load(0, BASE + PAGE + 8), Ok(3));
    world.fork(1).expect("memory");
    world.store(2, BASE + 2 * PAGE, 4).expect("writable");
    assert_eq!(world.load(0, BASE + 2 * PAGE), Ok(4), "a grandchild's page");
    world.audit(true);
    world.end();
}

#[test]
fn a_fork_neither_protects_nor_copies_its_entries() {
    let mut world = world(4);
    world.store(0, BASE, 1).expect("writable");
    let (entry, flushes) = (world.spaces[0].translate(BASE), world.ram.tlb().flushes);
    world.fork(0).expect("memory");
    assert_eq!(
        (world.spaces[0].translate(BASE), world.ram.tlb().flushes),
        (entry, flushes)
    );
    assert_eq!(
        world.spaces[1].stats().resident,
        0,
        "found again when touched"
    );
    assert_eq!(
        world.access(1, BASE, Access::Write).ok(),
        entry.map(|e| e.0)
    );
    world.audit(true);
    world.end();
}

#[test]
fn parts_stay_shared_after_a_cut() {
    let mut world = world(4);
    world.space().munmap(BASE + PAGE, PAGE).expect("mapped");
    world.fork(0).expect("memory");
    world.spaces[1].munmap(BASE, PAGE).expect("mapped");
    world.store(0, BASE + 3 * PAGE, 33).expect("writable");
    assert_eq!(
        world.load(1, BASE + 3 * PAGE),
        Ok(33),
        "the same page on both sides"
    );
    assert_eq!(world.load(1, BASE + 2 * PAGE), Ok(0));
    assert_eq!(world.load(1, BASE), Err(FaultError::Refused));
    world.audit(true);
    world.end();
}

#[test]
fn two_mappings_are_not_one() {
    let mut world = world(1);
    assert_eq!(world.space().mmap(0, PAGE, RW, SHARED), Ok(BASE + PAGE));
    assert_eq!(
        world.spaces[0].stats().regions,
        2,
        "each is memory of its own"
    );
    world.fork(0).expect("memory");
    world.store(0, BASE + PAGE, 1).expect("writable");
    assert_eq!(
        (world.load(1, BASE), world.load(1, BASE + PAGE)),
        (Ok(0), Ok(1))
    );
    world.end();
}

#[test]
fn the_memory_lives_as_long_as_anybody_shows_it() {
    let mut world = world(2);
    world.store(0, BASE, 5).expect("writable");
    world.fork(0).expect("memory");
    world.exit(0);
    assert_eq!(world.load(0, BASE), Ok(5), "the parent has ended");
    world.space().munmap(BASE, 2 * PAGE).expect("mapped");
    assert_eq!(world.ram.used(), 1, "the root alone");
    world.end();
}

#[test]
fn a_huge_one_costs_only_what_is_touched() {
    let mut world = World::with_space(64);
    let len = 1 << 36;
    assert_eq!(world.space().mmap(0, len, RW, SHARED), Ok(BASE));
    assert_eq!(world.ram.used(), 1);
    for at in [0, 1 << 21, len - PAGE] {
        world.store(0, BASE + at, at + 1).expect("memory");
    }
    world.fork(0).expect("memory");
    for at in [0, 1 << 21, len - PAGE] {
        assert_eq!(world.load(1, BASE + at), Ok(at + 1), "at {at:#x}");
    }
    world.audit(true);
    world.end();
}

#[test]
fn protection_holds() {
    let mut world = World::with_space(64);
    world
        .space()
        .mmap(0, PAGE, Prot::READ, SHARED)
        .expect("room");
    assert_eq!(world.load(0, BASE), Ok(0));
    assert_eq!(world.store(0, BASE, 1), Err(FaultError::Refused));
    world.end();
}

#[test]
fn harts_that_touch_a_page_at_once_get_one_page() {
    let mut world = world(64);
    world.fork(0).expect("memory");
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for space in &mut world.spaces {
            scope.spawn(|| {
                barrier.wait();
                for page in 0..64 {
                    let fault = space.fault(BASE + page * PAGE, Access::Write);
                    assert_eq!(fault, Ok(Fault::Done));
                }
            });
        }
    });
    for page in 0..64 {
        let at = BASE + page * PAGE;
        assert_eq!(
            world.spaces[0].translate(at),
            world.spaces[1].translate(at),
            "page {page}"
        );
    }
    world.audit(true);
    world.end();
}

#[test]
fn harts_that_make_it_grow_at_once_get_one_page() {
    for round in 0..60 {
        let mut world = World::with_space(64);
        let last = [1, 511, 512, 600][round % 4];
        assert_eq!(world.space().mmap(0, PAGE, RW, SHARED), Ok(BASE));
        if round % 8 < 4 {
            world.store(0, BASE, 5).expect("memory");
        }
        world.fork(0).expect("memory");
        world.ram.slow_down();
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            for space in &mut world.spaces {
                scope.spawn(|| {
                    let grown = space.mremap(BASE, PAGE, 601 * PAGE, false);
                    assert_eq!(grown, Ok(BASE));
                    barrier.wait();
                    for page in [last, 0] {
                        let fault = space.fault(BASE + page * PAGE, Access::Write);
                        assert_eq!(fault, Ok(Fault::Done));
                    }
                });
            }
        });
        for page in [last, 0] {
            let at = BASE + page * PAGE;
            let seen = [0, 1].map(|p: usize| world.spaces[p].translate(at));
            assert_eq!(seen[0], seen[1], "page {page} in round {round}");
            assert!(seen[0].is_some(), "page {page} is there");
        }
        world.audit(true);
        world.end();
    }
}
