//! Large pages: where they come from, what parts them, and what a failure leaves.

use crate::failing::{out_of_memory, sweep_from};
use crate::mapping::{FIXED, PRIVATE};
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use vm::{Access, Error, FaultError, Stats};

const LARGE: u64 = 512 * PAGE;
const BASE: u64 = MMAP_BASE;
const FILLED: MapFlags = PRIVATE.union(MapFlags::POPULATE);

/// A process with `pages` large pages from `BASE` on. Word 0 of each of their pages is its number.
fn filled(frames: usize, pages: u64) -> World {
    let mut world = World::with_space(frames);
    let mapped = world.space().mmap(0, pages * LARGE, RW, FILLED);
    assert_eq!(mapped, Ok(BASE));
    assert_eq!(world.space().stats().large as u64, pages);
    for page in 0..pages * 512 {
        world.store(0, BASE + page * PAGE, page).expect("filled");
    }
    world
}

fn two() -> World {
    filled(2560, 2)
}

fn stats(world: &World, p: usize) -> (usize, usize, usize) {
    let Stats {
        large,
        resident,
        page_tables,
        ..
    } = world.spaces[p].stats();
    (large, resident, page_tables)
}

/// Every page of the two large ones shows its number, but for those named.
fn check(world: &mut World, p: usize, at: u64, others: &[(u64, Option<u64>)]) {
    for page in 0..1024 {
        let known = others.iter().find(|other| other.0 == page);
        let expected = known.map_or(Some(page), |other| other.1);
        let found = world.load(p, at + page * PAGE).ok();
        assert_eq!(found, expected, "page {page} of process {p}");
    }
    world.audit(false);
}

#[test]
fn filling_takes_large_pages_where_they_fit() {
    let mut world = World::with_space(3000);
    let mapped = world
        .space()
        .mmap(BASE + PAGE, 2 * LARGE + 5 * PAGE, RW, FILLED);
    assert_eq!(mapped, Ok(BASE + PAGE));
    // 511 pages, a large page, and 6 pages; three tables below the root.
    assert_eq!(stats(&world, 0), (1, 1029, 4));
    let mut read_only = World::with_space(3000);
    let mapped = read_only.space().mmap(0, LARGE, Prot::READ, FILLED);
    assert_eq!((mapped, stats(&read_only, 0).0), (Ok(BASE), 0), "zeroes");
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::POPULATE;
    let mapped = read_only.space().mmap(0, LARGE, RW, shared);
    assert_eq!(
        (mapped, stats(&read_only, 0).0),
        (Ok(BASE + LARGE), 0),
        "shared"
    );
    for page in 0..1029 {
        let value = world.load(0, BASE + (1 + page) * PAGE + 8);
        assert_eq!(value, Ok(0), "page {page}");
    }
    world.audit(false);
    world.end();
    read_only.audit(true);
    read_only.end();
}

#[test]
fn what_was_touched_alone_stays_small() {
    let mut world = World::with_space(1600);
    let space = world.space();
    space.set_heap(BASE - PAGE);
    space.sbrk(2 * LARGE as i64).expect("room");
    space
        .mmap(BASE + 4 * LARGE, LARGE, RW, PRIVATE)
        .expect("room");
    world.store(0, BASE + 7 * PAGE, 1).expect("writable");
    world.load(0, BASE + 4 * LARGE).expect("readable");
    assert_eq!(stats(&world, 0).1, 1, "one page was written, one read");
    let advise = |world: &mut World, at, len| {
        let done = world.space().madvise(at, len, Advice::WillNeed);
        (done, stats(world, 0))
    };
    assert_eq!(advise(&mut world, BASE, LARGE), (Ok(()), (0, 512, 4)));
    let at = BASE + 4 * LARGE;
    assert_eq!(advise(&mut world, at, LARGE), (Ok(()), (0, 1024, 4)));
    assert_eq!(world.load(0, BASE + 7 * PAGE), Ok(1));
    world.audit(false);
    world.end();
}

#[test]
fn the_heap_has_large_pages_too() {
    let mut world = World::with_space(1600);
    let space = world.space();
    space.set_heap(LARGE - 100);
    space.sbrk(LARGE as i64 + 200).expect("room");
    let advised = space.madvise(LARGE, LARGE, Advice::WillNeed);
    assert_eq!((advised, stats(&world, 0).0), (Ok(()), 1));
    assert_eq!(world.store(0, 2 * LARGE - 8, 5), Ok(()));
    let space = world.space();
    assert_eq!(space.sbrk(-3 * PAGE as i64), Ok(2 * LARGE + 100));
    assert_eq!(stats(&world, 0), (0, 510, 3), "parted by the break");
    assert_eq!(world.load(0, 2 * LARGE - 8), Err(FaultError::Refused));
    world.audit(false);
    world.end();
}

#[test]
fn without_a_free_block_pages_are_small() {
    let mut world = World::with_space(1100);
    let mapped = world.space().mmap(0, 2 * LARGE, RW, FILLED);
    assert_eq!(mapped, Ok(BASE));
    assert_eq!(stats(&world, 0).0, 1, "one block was free");
    assert_eq!(world.load(0, BASE + LARGE), Ok(0));
    world.audit(false);
    let unmapped = world.space().munmap(BASE, 2 * LARGE);
    assert_eq!((unmapped, world.ram.used()), (Ok(()), 1));
    assert_eq!(world.ram.free_blocks(), 1, "the block is whole again");
    world.end();
}

#[test]
fn a_large_page_goes_as_a_whole() {
    let mut world = two();
    let space = world.space();
    let advised = space.madvise(BASE, LARGE, Advice::DontNeed);
    assert_eq!((advised, stats(&world, 0)), (Ok(()), (1, 512, 2)));
    assert_eq!(world.load(0, BASE + PAGE), Ok(0));
    let unmapped = world.space().munmap(BASE + LARGE, LARGE);
    assert_eq!((unmapped, stats(&world, 0)), (Ok(()), (0, 0, 3)));
    world.audit(false);
    world.end();
}

#[test]
fn a_partial_unmap_parts_it() {
    for (first, pages, large) in [
        (0, 1, 1),
        (511, 1, 1),
        (200, 100, 1),
        (511, 2, 0),
        (300, 724, 0),
    ] {
        let mut world = two();
        let unmapped = world.space().munmap(BASE + first * PAGE, pages * PAGE);
        assert_eq!(unmapped, Ok(()));
        let gone: Vec<_> = (first..first + pages).map(|page| (page, None)).collect();
        check(&mut world, 0, BASE, &gone);
        let (found, resident, _) = stats(&world, 0);
        assert_eq!((found, resident as u64), (large, 1024 - pages));
        world.end();
    }
}

#[test]
fn rights_of_a_whole_one_change_in_place_and_of_a_part_part_it() {
    let mut world = two();
    let rights = [Prot::READ, Prot::empty(), RW, Prot::empty(), Prot::READ, RW];
    for prot in rights {
        let changed = world.space().mprotect(BASE, 2 * LARGE, prot);
        assert_eq!((changed, stats(&world, 0)), (Ok(()), (2, 1024, 2)));
        let write = world.store(0, BASE + 600 * PAGE, 600).is_ok();
        assert_eq!(write, prot == RW, "a write with {prot:?}");
        let read = world.load(0, BASE + 5 * PAGE).is_ok();
        assert_eq!(read, !prot.is_empty(), "a read with {prot:?}");
        world.audit(false);
    }
    for prot in [Prot::empty(), Prot::READ] {
        let changed = world.space().mprotect(BASE + 100 * PAGE, PAGE, prot);
        assert_eq!((changed, stats(&world, 0)), (Ok(()), (1, 1024, 3)));
        assert_eq!(
            world.store(0, BASE + 100 * PAGE, 1),
            Err(FaultError::Refused)
        );
        assert_eq!(world.load(0, BASE + 100 * PAGE).is_ok(), prot == Prot::READ);
        assert_eq!(world.store(0, BASE + 101 * PAGE, 101), Ok(()));
    }
    check(&mut world, 0, BASE, &[]);
    world.end();
}

#[test]
fn fork_shares_it_and_a_write_copies_one_page() {
    let mut world = two();
    let used = world.ram.used();
    world.fork(0).expect("memory");
    assert_eq!(
        world.ram.used(),
        used + 6,
        "the child's root and a table, four deposits"
    );
    assert_eq!(stats(&world, 1), (2, 1024, 2));
    world.audit(false);
    world.store(1, BASE + 7 * PAGE, 70).expect("writable");
    assert_eq!(world.ram.used(), used + 7, "a page; a spare is the table");
    assert_eq!((stats(&world, 0).0, stats(&world, 1).0), (2, 1));
    world.store(0, BASE + 8 * PAGE, 80).expect("writable");
    world.store(0, BASE + 7 * PAGE, 71).expect("writable");
    check(&mut world, 0, BASE, &[(7, Some(71)), (8, Some(80))]);
    check(&mut world, 1, BASE, &[(7, Some(70))]);
    let grandchild = world.fork(1).expect("memory");
    world.store(grandchild, BASE, 1000).expect("writable");
    check(
        &mut world,
        grandchild,
        BASE,
        &[(0, Some(1000)), (7, Some(70))],
    );
    check(&mut world, 1, BASE, &[(7, Some(70))]);
    world.exit(0);
    world.audit(false);
    world.end();
}

#[test]
fn rights_that_come_back_to_a_common_one_do_not_reach_the_other() {
    for rights in [Prot::READ, Prot::empty()] {
        let mut world = two();
        world.fork(0).expect("memory");
        for prot in [rights, RW] {
            let changed = world.space().mprotect(BASE, 2 * LARGE, prot);
            assert_eq!(changed, Ok(()), "{prot:?}");
        }
        assert_eq!(stats(&world, 0).0, 2, "in place");
        for page in [0, 600] {
            let stored = world.store(0, BASE + page * PAGE, 1000);
            stored.expect("writable");
        }
        let written = [(0, Some(1000)), (600, Some(1000))];
        check(&mut world, 0, BASE, &written);
        check(&mut world, 1, BASE, &[]);
        world.end();
    }
}

#[test]
fn its_last_owner_has_it_as_a_whole() {
    for first in [0, 1] {
        let mut world = two();
        world.fork(0).expect("memory");
        world.exit(first);
        let used = world.ram.used();
        world.store(0, BASE + 9 * PAGE, 90).expect("writable");
        assert_eq!((world.ram.used(), stats(&world, 0).0), (used - 1, 2));
        check(&mut world, 0, BASE, &[(9, Some(90))]);
        world.end();
    }
    // Also when the other one had parted it.
    let mut world = two();
    world.fork(0).expect("memory");
    world.store(1, BASE + 3 * PAGE, 30).expect("writable");
    world.exit(1);
    let used = world.ram.used();
    world.store(0, BASE + 9 * PAGE, 90).expect("writable");
    assert_eq!((world.ram.used(), stats(&world, 0).0), (used - 1, 2));
    world.end();
}

#[test]
fn moving_keeps_it_where_it_can_lie() {
    for (by, large) in [(0, 2), (1, 0)] {
        let mut world = two();
        let space = world.space();
        // Something behind it, and the lowest gap for it at another place.
        let at = BASE + 8 * LARGE + by * PAGE;
        let wall = at - (BASE + 2 * LARGE);
        let walled = space.mmap(BASE + 2 * LARGE, wall, Prot::READ, FIXED);
        assert_eq!(walled, Ok(BASE + 2 * LARGE));
        let moved = space.mremap(BASE, 2 * LARGE, 3 * LARGE, true);
        assert_eq!((moved, stats(&world, 0).0), (Ok(at), large));
        check(&mut world, 0, at, &[]);
        assert_eq!(world.load(0, at + 2 * LARGE), Ok(0));
        assert_eq!(world.load(0, BASE), Err(FaultError::Refused));
        world.end();
    }
    let mut world = two();
    let space = world.space();
    let at = BASE + 2 * LARGE;
    assert_eq!(space.mmap(at, PAGE, Prot::READ, FIXED), Ok(at));
    let part = space.mremap(BASE + LARGE + 100 * PAGE, 412 * PAGE, 413 * PAGE, true);
    assert_eq!((part, stats(&world, 0)), (Ok(at + PAGE), (1, 1024, 4)));
    let values = [0, 411].map(|page| world.load(0, at + PAGE + page * PAGE));
    assert_eq!(values, [Ok(612), Ok(1023)]);
    world.audit(false);
    world.end();
}

#[test]
fn mincore_knows_it() {
    let world = two();
    let mut told = vec![];
    let done = world.spaces[0].mincore(BASE + 500 * PAGE, 30 * PAGE, |here| told.push(here));
    assert_eq!((done, told), (Ok(()), vec![true; 30]));
    world.end();
}

/// The nth allocation failing in whatever parts a large page.
#[test]
fn parting_that_fails_changes_nothing() {
    type Operation<'a> = &'a dyn Fn(&mut World) -> Result<(), Error>;
    let at = BASE + 100 * PAGE;
    let across = BASE + 400 * PAGE;
    let operations: [(&str, (usize, usize), Operation); 10] = [
        ("unmapping the front", (0, 0), &|w| {
            w.space().munmap(BASE, PAGE)
        }),
        ("unmapping the middle", (0, 0), &|w| {
            w.space().munmap(at, PAGE)
        }),
        ("unmapping of both", (0, 0), &|w| {
            w.space().munmap(across, LARGE)
        }),
        ("protecting a part", (1, 2), &|w| {
            w.space().mprotect(at, PAGE, Prot::READ)
        }),
        ("protecting parts of both", (2, 2), &|w| {
            w.space().mprotect(across, LARGE, Prot::empty())
        }),
        ("giving back parts of both", (0, 0), &|w| {
            w.space().madvise(across, LARGE, Advice::DontNeed)
        }),
        ("replacing the middle", (0, 1), &|w| {
            w.space().mmap(at, PAGE, Prot::READ, FIXED).map(drop)
        }),
        ("moving parts of both", (3, 1), &|w| {
            w.space().mremap(across, LARGE, 2 * LARGE, true).map(drop)
        }),
        ("shrinking", (0, 0), &|w| {
            w.space()
                .mremap(BASE, 2 * LARGE, LARGE + PAGE, false)
                .map(drop)
        }),
        ("writing", (0, 0), &|w| {
            w.fault(0, at, Access::Write).map_err(out_of_memory)
        }),
    ];
    for (name, expected, operation) in operations {
        assert_eq!(sweep_from(two, name, operation), expected, "{name}");
    }
    let forked = || {
        let mut world = two();
        world.fork(0).expect("memory");
        world
    };
    let write = |w: &mut World| w.fault(0, at, Access::Write).map_err(out_of_memory);
    assert_eq!(sweep_from(forked, "a write after fork", write), (1, 0));
    let fork = |w: &mut World| w.fork(0).map(drop);
    assert_eq!(sweep_from(two, "fork", fork), (6, 3));
}

#[test]
fn a_new_large_page_is_zero() {
    let mut world = filled(1100, 1);
    world.space().munmap(BASE, LARGE).expect("mapped");
    let mapped = world.space().mmap(0, LARGE, RW, FILLED);
    assert_eq!((mapped, stats(&world, 0).0), (Ok(BASE), 1));
    let (first, _) = world.spaces[0].translate(BASE).expect("filled");
    for page in 0..512 {
        let words = world.ram.words(first.plus(page));
        let zero = words
            .iter()
            .all(|word| word.load(std::sync::atomic::Ordering::Relaxed) == 0);
        assert!(zero, "page {page} of a new large page");
    }
    world.end();
}
