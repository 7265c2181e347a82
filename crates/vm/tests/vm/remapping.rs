//! `mremap`: shrinking, growing in place, moving.

use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, World, regions};
use abi::{MMAP_BASE, MapFlags, Prot, USER_TOP};
use vm::{Error, FaultError, RegionKind};

const BASE: u64 = MMAP_BASE;
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);

fn page(n: u64) -> u64 {
    BASE + n * PAGE
}

/// A process with `pages` pages at `BASE`, page `n` of which holds `n + 1`.
fn world(pages: u64, flags: MapFlags) -> World {
    let mut world = World::with_space(2400);
    assert_eq!(world.space().mmap(0, pages * PAGE, RW, flags), Ok(BASE));
    for n in 0..pages {
        world.store(0, page(n), n + 1).expect("writable");
    }
    world
}

fn seen(world: &mut World, at: u64, pages: u64) -> Vec<Option<u64>> {
    (0..pages)
        .map(|n| world.load(0, at + n * PAGE).ok())
        .collect()
}

#[test]
fn shrinking_gives_back_the_end() {
    for (start, old, new) in [(0, 6, 2), (2, 4, 1), (1, 3, 2), (0, 6, 6)] {
        let mut world = world(6, PRIVATE);
        let result = world
            .space()
            .mremap(page(start), old * PAGE, new * PAGE - 8, false);
        assert_eq!(result, Ok(page(start)));
        let gone = start + new..start + old;
        let expected: Vec<_> = (0..6)
            .map(|n| (!gone.contains(&n)).then_some(n + 1))
            .collect();
        assert_eq!(
            seen(&mut world, BASE, 6),
            expected,
            "{old} to {new} at {start}"
        );
        world.audit(false);
        world.end();
    }
}

#[test]
fn growing_where_there_is_room() {
    let mut world = world(4, PRIVATE);
    let frames = world.ram.used();
    assert_eq!(
        world.space().mremap(BASE, 4 * PAGE, 6 * PAGE, false),
        Ok(BASE)
    );
    assert_eq!(world.ram.used(), frames, "only promised");
    assert_eq!(
        world.space().mremap(page(4), 2 * PAGE, 3 * PAGE, true),
        Ok(page(4)),
        "the end of it, too"
    );
    assert_eq!(
        regions(&world.spaces[0]),
        [(BASE, page(7), RW, RegionKind::Mapping)]
    );
    let expected = [1, 2, 3, 4, 0, 0, 0].map(Some);
    assert_eq!(seen(&mut world, BASE, 7), expected);
    assert_eq!(world.space().mmap(page(9), PAGE, RW, PRIVATE), Ok(page(9)));
    assert_eq!(
        world.space().mremap(BASE, 7 * PAGE, 9 * PAGE, false),
        Ok(BASE)
    );
    assert_eq!(
        world.spaces[0].stats().regions,
        1,
        "grown up to a neighbour that agrees"
    );
    world.audit(false);
    world.end();
}

#[test]
fn moving_takes_the_pages_along() {
    // Within tables and across their borders.
    for (pages, before) in [(4, 0), (600, 0), (600, 300), (1030, 1)] {
        let mut world = World::with_space(2400);
        world
            .space()
            .mmap(BASE, before.max(1) * PAGE, Prot::READ, PRIVATE)
            .expect("room");
        let at = page(before.max(1));
        assert_eq!(world.space().mmap(at, pages * PAGE, RW, PRIVATE), Ok(at));
        for n in (0..pages).filter(|n| n % 3 != 1) {
            world.store(0, at + n * PAGE, n + 1).expect("writable");
        }
        let wall = at + pages * PAGE;
        world
            .space()
            .mmap(wall, PAGE, Prot::READ, PRIVATE)
            .expect("room");
        let (frames, resident) = (world.ram.used(), world.spaces[0].stats().resident);
        let blocked = world
            .space()
            .mremap(at, pages * PAGE, (pages + 5) * PAGE, false);
        assert_eq!(
            blocked,
            Err(Error::NoMemory),
            "a wall, and no leave to move"
        );
        let moved = world
            .space()
            .mremap(at, pages * PAGE, (pages + 5) * PAGE, true);
        let to = moved.expect("room");
        assert_eq!(to, wall + PAGE, "the lowest place");
        assert!(world.ram.used() <= frames + 2, "no page is copied");
        assert_eq!(world.spaces[0].stats().resident, resident);
        world.audit(false);
        assert_eq!(world.load(0, at), Err(FaultError::Refused), "the old place");
        let expected: Vec<_> = (0..pages + 5)
            .map(|n| Some(if n < pages && n % 3 != 1 { n + 1 } else { 0 }))
            .collect();
        assert_eq!(seen(&mut world, to, pages + 5), expected);
        world.audit(false);
        world.end();
    }
}

#[test]
fn the_middle_of_a_mapping_can_move() {
    let mut world = world(6, PRIVATE);
    assert_eq!(
        world.space().mremap(page(2), 2 * PAGE, 3 * PAGE, false),
        Err(Error::NoMemory)
    );
    assert_eq!(
        world.space().mremap(page(2), 2 * PAGE, 3 * PAGE, true),
        Ok(page(6))
    );
    let expected = [
        Some(1),
        Some(2),
        None,
        None,
        Some(5),
        Some(6),
        Some(3),
        Some(4),
        Some(0),
    ];
    assert_eq!(seen(&mut world, BASE, 9), expected);
    let ranges = [(BASE, page(2)), (page(4), page(9))];
    assert_eq!(
        regions(&world.spaces[0]),
        ranges.map(|(from, to)| (from, to, RW, RegionKind::Mapping))
    );
    world.audit(false);
    world.end();
}

#[test]
fn rights_and_copies_on_write_move_too() {
    let mut world = world(3, PRIVATE);
    world
        .space()
        .mprotect(page(0), 3 * PAGE, Prot::READ)
        .expect("memory");
    world
        .space()
        .mmap(page(3), PAGE, RW, PRIVATE)
        .expect("room");
    world.fork(0).expect("memory");
    assert_eq!(
        world.space().mremap(BASE, 3 * PAGE, 5 * PAGE, true),
        Ok(page(4))
    );
    assert_eq!(world.store(0, page(4), 9), Err(FaultError::Refused));
    world
        .space()
        .mprotect(page(4), 5 * PAGE, RW)
        .expect("memory");
    assert_eq!(world.store(0, page(4), 9), Ok(()));
    assert_eq!(
        (world.load(0, page(4)), world.load(1, BASE)),
        (Ok(9), Ok(1))
    );
    world.audit(false);
    world.end();
}

#[test]
fn shared_memory_grows_for_all() {
    // From one page, one table and two levels of tables to more.
    for (pages, more) in [(1, 3), (1, 700), (3, 600), (512, 513)] {
        let mut world = world(pages, SHARED);
        world.fork(0).expect("memory");
        for p in [1, 0] {
            let result = world.spaces[p].mremap(BASE, pages * PAGE, more * PAGE, false);
            assert_eq!(result, Ok(BASE));
        }
        let last = page(more - 1);
        assert_eq!(world.load(1, page(pages)), Ok(0), "a new page");
        assert_eq!(world.store(1, last, 77), Ok(()));
        assert_eq!(world.load(0, last), Ok(77), "{pages} to {more} pages");
        assert_eq!(world.load(0, BASE), Ok(1), "the first page");
        assert_eq!(
            world.load(1, page(pages - 1)),
            Ok(pages),
            "the last of the old ones"
        );
        assert_eq!(world.store(0, page(pages), 5), Ok(()));
        assert_eq!(world.load(1, page(pages)), Ok(5));
        world.audit(true);
        world.end();
    }
}

#[test]
fn shared_memory_stays_shared_when_it_moves() {
    let mut world = world(3, SHARED);
    world
        .space()
        .mmap(page(3), PAGE, RW, PRIVATE)
        .expect("room");
    world.fork(0).expect("memory");
    assert_eq!(
        world.space().mremap(page(1), 2 * PAGE, 4 * PAGE, true),
        Ok(page(4))
    );
    assert_eq!(world.store(0, page(4), 20), Ok(()));
    assert_eq!(world.load(1, page(1)), Ok(20));
    assert_eq!(world.store(1, page(2), 30), Ok(()));
    assert_eq!(world.load(0, page(5)), Ok(30));
    assert_eq!(world.load(0, page(0)), Ok(1));
    world.audit(true);
    world.end();
}

#[test]
fn refused_whole() {
    let mut world = world(8, PRIVATE);
    world.space().munmap(page(3), PAGE).expect("mapped");
    world
        .space()
        .mprotect(page(6), PAGE, Prot::READ)
        .expect("memory");
    world.space().set_heap(4 * PAGE);
    world.space().sbrk(PAGE as i64).expect("room");
    let before = regions(&world.spaces[0]);
    for (at, old, new, error) in [
        (page(0), 8 * PAGE, 9 * PAGE, Error::NotMapped),
        (page(2), 2 * PAGE, PAGE, Error::NotMapped),
        (page(9), PAGE, PAGE, Error::NotMapped),
        (page(4), 4 * PAGE, 9 * PAGE, Error::Invalid),
        (page(0) + 8, PAGE, PAGE, Error::Invalid),
        (page(0), 0, PAGE, Error::Invalid),
        (page(0), PAGE, 0, Error::Invalid),
        (page(0), PAGE, u64::MAX, Error::Invalid),
        (page(0), u64::MAX, PAGE, Error::Invalid),
        (page(0), PAGE, USER_TOP, Error::NoMemory),
        (4 * PAGE, PAGE, 2 * PAGE, Error::Invalid),
    ] {
        let result = world.space().mremap(at, old, new, true);
        assert_eq!(result, Err(error), "{old:#x} to {new:#x} bytes at {at:#x}");
    }
    assert_eq!(regions(&world.spaces[0]), before);
    assert_eq!(seen(&mut world, BASE, 2), [Some(1), Some(2)]);
    assert_eq!(
        world.space().mremap(page(4), 4 * PAGE, PAGE, false),
        Ok(page(4)),
        "several shrink"
    );
    world.audit(false);
    world.end();
}

#[test]
fn moving_within_the_only_table() {
    let mut world = World::with_space(64);
    let at = BASE + (2 << 20) - 6 * PAGE;
    assert_eq!(world.space().mmap(at, 11 * PAGE, RW, PRIVATE), Ok(at));
    for n in 0..11 {
        world.store(0, at + n * PAGE, n + 1).expect("writable");
    }
    let moved = world.space().mremap(at, 6 * PAGE, 11 * PAGE, true);
    assert_eq!(moved, Ok(BASE), "nothing else was in the table");
    world.audit(false);
    let expected = [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0].map(Some);
    assert_eq!(seen(&mut world, BASE, 11), expected);
    assert_eq!(world.load(0, at + 6 * PAGE), Ok(7));
    world.audit(false);
    world.end();
}
