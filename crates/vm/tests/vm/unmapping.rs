//! `munmap` of wholes and parts.

use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, RX, World, regions};
use abi::{MMAP_BASE, USER_TOP};
use vm::{Error, FaultError, RegionKind};

const BASE: u64 = MMAP_BASE;

/// A process with one mapping of `pages` pages, page `n` of which holds `n + 1`.
fn world(pages: u64) -> World {
    let mut world = World::with_space(1200);
    assert_eq!(
        world.space().mmap(BASE, pages * PAGE, RW, PRIVATE),
        Ok(BASE)
    );
    for page in 0..pages {
        world
            .store(0, BASE + page * PAGE, page + 1)
            .expect("writable");
    }
    world
}

fn seen(world: &mut World, pages: u64) -> Vec<u64> {
    (0..pages)
        .map(|page| world.load(0, BASE + page * PAGE).unwrap_or(0))
        .collect()
}

#[test]
fn front_back_middle_and_all() {
    let cases: [(u64, u64, &[u64], usize); 5] = [
        (0, 2, &[0, 0, 3, 4, 5, 6], 1),
        (4, 2, &[1, 2, 3, 4, 0, 0], 1),
        (2, 2, &[1, 2, 0, 0, 5, 6], 2),
        (0, 6, &[0, 0, 0, 0, 0, 0], 0),
        (3, 9, &[1, 2, 3, 0, 0, 0], 1),
    ];
    for (first, pages, left, count) in cases {
        let mut world = world(6);
        let flushes = world.ram.tlb().flushes;
        assert_eq!(
            world.space().munmap(BASE + first * PAGE, pages * PAGE),
            Ok(())
        );
        assert_ne!(
            world.ram.tlb().flushes,
            flushes,
            "pages went without a flush"
        );
        assert_eq!(seen(&mut world, 6), left, "munmap of {pages} from {first}");
        let stats = world.spaces[0].stats();
        let resident = left.iter().filter(|&&value| value > 0).count();
        assert_eq!(
            (stats.regions, stats.resident),
            (count, resident),
            "{pages} from {first}"
        );
        world.audit(false);
        world.end();
    }
}

#[test]
fn several_with_holes_between() {
    let mut world = world(12);
    for hole in [1, 4, 5, 9] {
        assert_eq!(
            world.space().munmap(BASE + hole * PAGE, 1),
            Ok(()),
            "one byte is a page"
        );
    }
    assert_eq!(world.spaces[0].stats().regions, 4);
    assert_eq!(world.space().munmap(BASE + 2 * PAGE, 9 * PAGE), Ok(()));
    assert_eq!(seen(&mut world, 12), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12]);
    world.audit(false);
    world.end();
}

#[test]
fn nothing_there_or_nothing_sensible() {
    let mut world = world(2);
    let cases = [
        (BASE + 2 * PAGE, PAGE, Error::NotMapped),
        (PAGE, 10 * PAGE, Error::NotMapped),
        (BASE + 8, PAGE, Error::Invalid),
        (BASE, 0, Error::Invalid),
        (BASE, u64::MAX, Error::Invalid),
        (BASE, USER_TOP, Error::Invalid),
        (USER_TOP, PAGE, Error::Invalid),
        (!4095, PAGE, Error::Invalid),
    ];
    for (start, len, error) in cases {
        let result = world.space().munmap(start, len);
        assert_eq!(result, Err(error), "munmap({start:#x}, {len:#x})");
    }
    assert_eq!(seen(&mut world, 2), [1, 2]);
    world.end();
}

#[test]
fn heap_stack_and_program_stay() {
    let mut world = world(1);
    world.map_file(0, PAGE, RX, (1, 0, PAGE)).expect("a region");
    world
        .space()
        .map_anonymous_fixed(PAGE, PAGE, RW, RegionKind::Stack)
        .expect("a region");
    world.space().set_heap(2 * PAGE);
    world.space().sbrk(PAGE as i64).expect("room");
    let below = BASE - PAGE;
    world
        .space()
        .map_anonymous_fixed(below, PAGE, RW, RegionKind::Data)
        .expect("a region");
    let before = regions(&world.spaces[0]);
    for start in [0, PAGE, 2 * PAGE, below] {
        assert_eq!(
            world.space().munmap(start, PAGE),
            Err(Error::Invalid),
            "at {start:#x}"
        );
    }
    let result = world.space().munmap(below, 2 * PAGE);
    assert_eq!(result, Err(Error::Invalid), "a mapping together with data");
    assert_eq!(regions(&world.spaces[0]), before);
    assert_eq!(seen(&mut world, 1), [1]);
    world.end();
}

#[test]
fn tables_go_with_their_last_page() {
    let mut world = world(1100);
    assert_eq!(world.spaces[0].stats().page_tables, 5);
    world.space().munmap(BASE, 512 * PAGE).expect("mapped");
    assert_eq!(
        world.spaces[0].stats().page_tables,
        4,
        "a table's worth went"
    );
    world
        .space()
        .munmap(BASE + 600 * PAGE, 500 * PAGE)
        .expect("mapped");
    assert_eq!(world.spaces[0].stats().page_tables, 3, "a table and a part");
    world
        .space()
        .munmap(BASE + 512 * PAGE, 100 * PAGE)
        .expect("mapped");
    assert_eq!(world.ram.used(), 1, "the root alone");
    world.end();
}

#[test]
fn a_table_goes_though_an_untouched_neighbour_stays() {
    let mut world = World::with_space(64);
    world
        .space()
        .mmap(BASE, 10 * PAGE, RW, PRIVATE)
        .expect("room");
    world.store(0, BASE + 3 * PAGE, 1).expect("writable");
    world.space().munmap(BASE + 3 * PAGE, PAGE).expect("mapped");
    assert_eq!(world.spaces[0].stats().page_tables, 1);
    world.audit(false);
    world.end();
}

#[test]
fn reuse_shows_no_old_data() {
    let mut world = world(4);
    world.space().munmap(BASE, 4 * PAGE).expect("mapped");
    assert_eq!(world.load(0, BASE), Err(FaultError::Refused));
    assert_eq!(world.space().mmap(0, 4 * PAGE, RW, PRIVATE), Ok(BASE));
    assert_eq!(seen(&mut world, 4), [0; 4]);
    world.end();
}

#[test]
fn a_fork_cuts_only_its_own() {
    let mut world = world(3);
    world.fork(0).expect("memory");
    world.spaces[1].munmap(BASE + PAGE, PAGE).expect("mapped");
    assert_eq!(seen(&mut world, 3), [1, 2, 3]);
    assert_eq!(world.load(1, BASE + PAGE), Err(FaultError::Refused));
    assert_eq!(world.load(1, BASE + 2 * PAGE), Ok(3));
    world.audit(false);
    world.end();
}
