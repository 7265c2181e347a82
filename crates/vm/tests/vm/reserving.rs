//! Memory that becomes large pages by being touched.

use crate::mapping::{FIXED, PRIVATE};
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, Prot};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use vm::RESERVATIONS;

const LARGE: u64 = 512 * PAGE;
const BASE: u64 = MMAP_BASE;

/// A process with room for `pages` large pages from `BASE` on.
fn world(frames: usize, pages: u64) -> World {
    let mut world = World::with_space(frames);
    world.ram.make_reservations();
    let mapped = world.space().mmap(0, pages * LARGE, RW, PRIVATE);
    assert_eq!(mapped, Ok(BASE));
    world
}

fn touch(world: &mut World, p: usize, pages: impl Iterator<Item = u64>) {
    for page in pages {
        world.store(p, BASE + page * PAGE, page).expect("memory");
    }
}

fn check(world: &mut World, p: usize, pages: u64) {
    for page in 0..pages {
        let found = world.load(p, BASE + page * PAGE);
        assert_eq!(found, Ok(page), "page {page} of process {p}");
    }
}

/// Large pages, resident ones, and frames reserved.
fn state(world: &World) -> (usize, usize, usize) {
    let stats = world.spaces[0].stats();
    (stats.large, stats.resident, world.ram.frames_reserved())
}

#[test]
fn the_last_touch_makes_a_large_page_without_a_copy() {
    let mut world = world(1600, 1);
    touch(&mut world, 0, 0..511);
    assert_eq!(state(&world), (0, 511, 1));
    let frames: Vec<_> = (0..511)
        .map(|page| world.spaces[0].translate(BASE + page * PAGE))
        .collect();
    touch(&mut world, 0, 511..512);
    assert_eq!(state(&world), (1, 512, 0));
    let after: Vec<_> = (0..511)
        .map(|page| world.spaces[0].translate(BASE + page * PAGE))
        .collect();
    assert_eq!(frames, after, "the frames are those that they were");
    assert_eq!(world.ram.used(), 2 + 512, "the table is gone");
    check(&mut world, 0, 512);
    assert_eq!(world.load(0, BASE + 7 * PAGE + 8), Ok(0), "zeroes");
    world.audit(false);
    world.end();
}

#[test]
fn the_order_does_not_matter_once_it_is_begun() {
    let mut world = world(1600, 1);
    touch(&mut world, 0, (0..512).map(|n| n * 5 % 512));
    assert_eq!(state(&world), (1, 512, 0));
    check(&mut world, 0, 512);
    world.end();
}

#[test]
fn pages_that_were_read_first_count_too() {
    let mut world = world(1600, 1);
    for page in 0..512 {
        assert_eq!(world.load(0, BASE + page * PAGE), Ok(0));
    }
    assert_eq!(state(&world), (0, 0, 0), "zeroes take no frame");
    touch(&mut world, 0, 0..512);
    assert_eq!(state(&world), (1, 512, 0));
    world.end();
}

#[test]
fn what_does_not_begin_at_the_start_or_may_not_become_large_reserves_nothing() {
    let mut world = world(1600, 2);
    touch(&mut world, 0, 1..100);
    assert_eq!(state(&world), (0, 99, 0));
    // Two regions, so the 2 MiB are not of one kind.
    let changed = world
        .space()
        .mprotect(BASE + LARGE + 9 * PAGE, PAGE, Prot::READ);
    assert_eq!(changed, Ok(()));
    touch(&mut world, 0, 512..513);
    assert_eq!(state(&world), (0, 100, 0));
    world.end();
}

#[test]
fn memory_that_runs_out_takes_back_what_is_reserved() {
    let mut world = world(1100, 2);
    touch(&mut world, 0, 0..1);
    assert_eq!(state(&world), (0, 1, 511));
    // All else there is, and the rest of the reservation.
    let far = BASE + 8 * LARGE;
    world.space().mmap(far, 4 * LARGE, RW, FIXED).expect("room");
    let mut touched = 0;
    while world.store(0, far + PAGE + touched * PAGE, touched).is_ok() {
        touched += 1;
    }
    assert_eq!(state(&world).2, 0);
    assert_eq!(world.ram.used(), 1099, "to the last frame");
    assert_eq!(world.load(0, BASE), Ok(0));
    world.audit(false);
    world.end();
}

#[test]
fn the_oldest_reservation_goes_first() {
    let pages = RESERVATIONS as u64 + 1;
    let mut world = world((pages as usize + 2) * 512, pages);
    touch(&mut world, 0, (0..pages).map(|page| page * 512));
    assert_eq!(state(&world), (0, RESERVATIONS + 1, RESERVATIONS * 511));
    touch(&mut world, 0, 1..512);
    assert_eq!(state(&world).0, 0, "the first has gone");
    touch(&mut world, 0, 513..1024);
    assert_eq!(state(&world).0, 1, "the second has not");
    assert_eq!(world.ram.reclaim(), (RESERVATIONS - 1) * 511);
    world.audit(false);
    world.end();
}

#[test]
fn the_oldest_is_the_one_that_was_opened_first_wherever_there_was_room() {
    let pages = RESERVATIONS as u64 + 2;
    let mut world = world((pages as usize + 2) * 512, pages);
    touch(
        &mut world,
        0,
        (0..RESERVATIONS as u64).map(|page| page * 512),
    );
    touch(&mut world, 0, 5 * 512 + 1..6 * 512);
    assert_eq!(state(&world).0, 1, "the sixth is complete");
    touch(
        &mut world,
        0,
        (RESERVATIONS as u64..pages).map(|page| page * 512),
    );
    assert_eq!(state(&world).2, RESERVATIONS * 511);
    touch(&mut world, 0, 6 * 512 + 1..7 * 512);
    assert_eq!(state(&world).0, 2, "the seventh is still there");
    touch(&mut world, 0, 1..512);
    assert_eq!(state(&world).0, 2, "the first has gone");
    world.ram.reclaim();
    world.audit(false);
    world.end();
}

#[test]
fn two_spaces_have_reservations_of_their_own_at_one_address() {
    let mut world = world(2100, 1);
    let child = world.fork(0).expect("memory");
    for page in 0..512 {
        for p in [0, child] {
            let stored = world.store(p, BASE + page * PAGE, page);
            stored.expect("memory");
        }
    }
    for p in [0, child] {
        assert_eq!(world.spaces[p].stats().large, 1, "of process {p}");
        check(&mut world, p, 512);
    }
    world.audit(false);
    world.end();
}

#[test]
fn nothing_stays_reserved_for_memory_that_goes() {
    let gone: [&dyn Fn(&mut World); 5] = [
        &|world| world.space().munmap(BASE, LARGE).expect("mapped"),
        &|world| {
            let done = world.space().madvise(BASE, LARGE, Advice::DontNeed);
            done.expect("mapped");
        },
        &|world| assert_eq!(world.space().mmap(BASE, LARGE, RW, FIXED), Ok(BASE)),
        &|world| {
            let wall = world.space().mmap(BASE + LARGE, PAGE, RW, FIXED);
            wall.expect("room");
            let moved = world.space().mremap(BASE, LARGE, 2 * LARGE, true);
            moved.expect("room");
        },
        &|world| world.exit(0),
    ];
    for (number, gone) in gone.into_iter().enumerate() {
        let mut world = world(1600, 1);
        touch(&mut world, 0, 0..300);
        gone(&mut world);
        assert_eq!(world.ram.frames_reserved(), 0, "way {number}");
        world.audit(false);
        world.end();
    }
}

#[test]
fn pages_that_others_have_do_not_become_large() {
    let mut world = world(2600, 1);
    touch(&mut world, 0, 0..511);
    world.fork(0).expect("memory");
    touch(&mut world, 0, 511..512);
    assert_eq!(state(&world), (0, 512, 0));
    check(&mut world, 0, 512);
    world.audit(false);
    check(&mut world, 1, 511);
    world.end();
}

#[test]
fn pages_of_several_rights_do_not_become_large() {
    let mut world = world(1600, 1);
    touch(&mut world, 0, 0..511);
    let advised = world
        .space()
        .madvise(BASE + 9 * PAGE, PAGE, Advice::DontNeed);
    assert_eq!((advised, state(&world).2), (Ok(()), 0));
    touch(&mut world, 0, 9..10);
    touch(&mut world, 0, 511..512);
    assert_eq!(state(&world), (0, 512, 0), "one frame is from elsewhere");
    check(&mut world, 0, 512);
    world.end();
}

#[test]
fn a_failure_leaves_the_reservation() {
    let mut world = world(1600, 1);
    let ram = world.ram.clone();
    for skip in 0..2 {
        let (result, fired) = ram.failing_after(skip, || world.store(0, BASE, 1));
        assert!(result.is_err() && fired, "frame {skip}");
        assert_eq!(state(&world), (0, 0, 0), "frame {skip}");
    }
    touch(&mut world, 0, 0..512);
    assert_eq!(state(&world), (1, 512, 0));
    world.end();
}

/// Each frame goes to one side: to the page that is touched, or back.
#[test]
fn another_hart_takes_frames_back_while_pages_are_touched() {
    let mut world = world(4 * 512 + 200, 2);
    let ram = world.ram.clone();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                ram.reclaim();
            }
        });
        touch(&mut world, 0, 0..1);
        while ram.frames_reserved() > 0 {
            thread::yield_now();
        }
        for _ in 0..20 {
            touch(&mut world, 0, 0..1024);
            check(&mut world, 0, 1024);
            world.space().munmap(BASE, 2 * LARGE).expect("mapped");
            assert_eq!(world.space().mmap(BASE, 2 * LARGE, RW, FIXED), Ok(BASE));
        }
        done.store(true, Relaxed);
    });
    assert_eq!(state(&world), (0, 0, 0));
    touch(&mut world, 0, 0..512);
    assert_eq!(state(&world), (1, 512, 0), "a reservation again");
    world.audit(false);
    world.end();
}
