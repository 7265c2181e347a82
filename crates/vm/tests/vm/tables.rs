//! Tables that a fork leaves to parent and child together.

use crate::failing::{out_of_memory, sweep_from};
use crate::mapping::{FIXED, PRIVATE};
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Error};

const SPAN: u64 = 512 * PAGE;
const BASE: u64 = MMAP_BASE;
/// Pages that are touched: three in four of one table, and the same of the next.
const TOUCHED: u64 = 384;

/// A process with two tables of pages, each page with its number, and its child.
fn family() -> World {
    let mut world = parent();
    world.fork(0).expect("memory");
    world
}

fn parent() -> World {
    let mut world = World::with_space(1000);
    let space = world.space();
    space.mmap(BASE, 2 * SPAN, RW, PRIVATE).expect("room");
    for page in (0..TOUCHED).chain(512..512 + TOUCHED) {
        world.store(0, BASE + page * PAGE, page).expect("writable");
    }
    world
}

/// The table for the page at `addr` of process `p`.
fn table(world: &World, p: usize, addr: u64) -> u64 {
    let mut table = world.spaces[p].root();
    for shift in [30, 21] {
        let entry = world.ram.words(table)[(addr >> shift) as usize % 512].load(Relaxed);
        table = frames::Pfn::new((entry >> 10) as u32);
    }
    u64::from(table.get())
}

/// Which of the two tables parent and child have together.
fn together(world: &World) -> [bool; 2] {
    [BASE, BASE + SPAN].map(|at| table(world, 0, at) == table(world, 1, at))
}

fn check(world: &mut World, p: usize, others: &[(u64, Option<u64>)]) {
    for page in (0..TOUCHED).chain(512..512 + TOUCHED) {
        let known = others.iter().find(|other| other.0 == page);
        let expected = known.map_or(Some(page), |other| other.1);
        let found = world.load(p, BASE + page * PAGE).ok();
        assert_eq!(found, expected, "page {page} of process {p}");
    }
    world.audit(false);
}

#[test]
fn a_fork_copies_no_table_with_many_pages() {
    let mut world = parent();
    let used = world.ram.used();
    world.fork(0).expect("memory");
    assert_eq!(
        world.ram.used(),
        used + 6,
        "a root, a table of tables, four deposits"
    );
    assert_eq!(together(&world), [true; 2]);
    assert_eq!(world.spaces[0].stats(), world.spaces[1].stats());
    check(&mut world, 0, &[]);
    check(&mut world, 1, &[]);
    assert_eq!(together(&world), [true; 2], "reading parts nothing");
    world.end();
}

#[test]
fn a_write_parts_one_table() {
    for writer in [0, 1] {
        let mut world = family();
        let used = world.ram.used();
        world.store(writer, BASE + 5 * PAGE, 50).expect("writable");
        assert_eq!(together(&world), [false, true]);
        assert_eq!(world.ram.used(), used + 1, "a page; a spare is the table");
        check(&mut world, writer, &[(5, Some(50))]);
        check(&mut world, 1 - writer, &[]);
        world
            .store(1 - writer, BASE + 5 * PAGE, 51)
            .expect("writable");
        assert_eq!(world.ram.used(), used, "the last owner's: its spare goes");
        check(&mut world, writer, &[(5, Some(50))]);
        check(&mut world, 1 - writer, &[(5, Some(51))]);
        world.end();
    }
}

#[test]
fn a_new_page_is_the_one_sides_alone() {
    let mut world = family();
    world.store(1, BASE + 500 * PAGE, 9).expect("writable");
    assert_eq!(together(&world), [false, true]);
    assert_eq!(world.load(0, BASE + 500 * PAGE), Ok(0));
    world.load(0, BASE + 1020 * PAGE).expect("readable");
    assert_eq!(
        together(&world),
        [false; 2],
        "a page of zeroes is an entry too"
    );
    check(&mut world, 0, &[]);
    check(&mut world, 1, &[]);
    world.end();
}

#[test]
fn either_may_end_first() {
    for first in [0, 1] {
        let mut world = family();
        world.exit(first);
        world.audit(false);
        let used = world.ram.used();
        world.store(0, BASE, 100).expect("writable");
        assert_eq!(
            world.ram.used(),
            used - 1,
            "the last one's spare goes, without a copy"
        );
        check(&mut world, 0, &[(0, Some(100))]);
        world.end();
    }
}

/// The other one ends on another hart, after the first has seen that both have the table.
#[test]
fn who_turns_out_to_be_the_last_lets_go_of_the_pages() {
    let ways: [fn(&mut World); 4] = [
        |world| world.space().munmap(BASE, 2 * SPAN).expect("mapped"),
        |world| world.space().munmap(BASE, SPAN / 2).expect("mapped"),
        |world| world.store(0, BASE, 1000).expect("writable"),
        |world| world.exit(0),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let mut world = family();
        let child = world.spaces.pop();
        world.ram.meanwhile(|| drop(child));
        way(&mut world);
        world.audit(false);
        if number == 2 {
            check(&mut world, 0, &[(0, Some(1000))]);
        }
        world.end();
    }
}

#[test]
fn an_end_takes_no_memory() {
    let mut world = family();
    let grandchild = world.fork(1).expect("memory");
    world.store(grandchild, BASE, 1).expect("writable");
    let ram = world.ram.clone();
    let ((), fired) = ram.failing_after(0, || world.exit(1));
    assert!(!fired, "an end asked for a frame");
    world.audit(false);
    world.end();
}

#[test]
fn what_is_taken_out_of_a_common_table_stays_with_the_other() {
    let mut world = family();
    let unmapped = world.space().munmap(BASE + 10 * PAGE, 600 * PAGE);
    assert_eq!(unmapped, Ok(()));
    let gone: Vec<_> = (10..610).map(|page| (page, None)).collect();
    check(&mut world, 0, &gone);
    check(&mut world, 1, &[]);
    let advised = world.spaces[1].madvise(BASE, 2 * SPAN, Advice::DontNeed);
    assert_eq!((advised, world.spaces[1].resident()), (Ok(()), 0));
    check(&mut world, 0, &gone);
    world.end();
    // A whole table goes without being looked at, and without a copy.
    let mut world = family();
    let used = world.ram.used();
    let unmapped = world.space().munmap(BASE, 2 * SPAN);
    assert_eq!((unmapped, world.ram.used()), (Ok(()), used - 3));
    check(&mut world, 1, &[]);
    world.end();
}

#[test]
fn rights_change_for_one_side() {
    let mut world = family();
    let changed = world.space().mprotect(BASE, SPAN + 5 * PAGE, Prot::READ);
    assert_eq!((changed, together(&world)), (Ok(()), [false; 2]));
    assert!(world.store(0, BASE, 1).is_err());
    assert_eq!(world.store(1, BASE, 1), Ok(()));
    check(&mut world, 0, &[]);
    check(&mut world, 1, &[(0, Some(1))]);
    world.end();
}

#[test]
fn moving_takes_the_pages_of_one_side() {
    let mut world = family();
    let wall = world.space().mmap(BASE + 2 * SPAN, PAGE, RW, FIXED);
    assert_eq!(wall, Ok(BASE + 2 * SPAN));
    // To the end of the very table that it leaves, whose pages are the child's too.
    let hole = BASE + 390 * PAGE;
    world.space().munmap(hole, 100 * PAGE).expect("mapped");
    let moved = world
        .space()
        .mremap(BASE + PAGE, 20 * PAGE, 30 * PAGE, true);
    assert_eq!(moved, Ok(hole));
    assert_eq!(world.load(0, hole + 19 * PAGE), Ok(20));
    let gone: Vec<_> = (1..21).map(|page| (page, None)).collect();
    check(&mut world, 0, &gone);
    check(&mut world, 1, &[]);
    world.end();
}

#[test]
fn shared_memory_in_a_table_keeps_it_from_being_common() {
    let mut world = parent();
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let at = BASE + 400 * PAGE;
    world.space().mmap(at, PAGE, RW, shared).expect("room");
    world.store(0, at, 1).expect("writable");
    world.fork(0).expect("memory");
    assert_eq!(together(&world), [false, true]);
    assert_eq!(world.spaces[1].resident() + 1, world.spaces[0].resident());
    world.store(0, at, 2).expect("writable");
    assert_eq!(world.load(1, at), Ok(2));
    world.store(1, at, 3).expect("writable");
    assert_eq!(world.load(0, at), Ok(3));
    world.audit(true);
    world.end();
}

#[test]
fn shared_memory_that_comes_later_is_put_into_a_table_of_its_own() {
    let mut world = family();
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let at = BASE + 400 * PAGE;
    world.space().mmap(at, PAGE, RW, shared).expect("room");
    let third = world.fork(0).expect("memory");
    world.store(0, at, 7).expect("writable");
    assert_eq!(world.load(third, at), Ok(7));
    assert_eq!(world.load(1, at), Ok(0));
    world.audit(true);
    world.end();
}

/// The nth allocation failing in whatever needs a table of its own.
#[test]
fn parting_that_fails_changes_nothing() {
    type Operation<'a> = &'a dyn Fn(&mut World) -> Result<(), Error>;
    let at = BASE + 100 * PAGE;
    let across = BASE + 400 * PAGE;
    let touch = |w: &mut World, at, access| w.fault(0, at, access).map_err(out_of_memory);
    let operations: [(&str, (usize, usize), Operation); 8] = [
        ("unmapping", (0, 0), &|w| w.space().munmap(at, PAGE)),
        ("unmapping of both", (0, 0), &|w| {
            w.space().munmap(across, SPAN)
        }),
        ("protecting both", (0, 0), &|w| {
            w.space().mprotect(BASE, 2 * SPAN, Prot::empty())
        }),
        ("giving back a part", (0, 0), &|w| {
            w.space().madvise(at, PAGE, Advice::DontNeed)
        }),
        ("replacing", (0, 1), &|w| {
            w.space().mmap(at, PAGE, Prot::READ, FIXED).map(drop)
        }),
        ("a new page", (1, 0), &|w| {
            touch(w, BASE + 500 * PAGE, Access::Write)
        }),
        ("a page of zeroes", (0, 0), &|w| {
            touch(w, BASE + 500 * PAGE, Access::Read)
        }),
        ("a write", (1, 0), &|w| touch(w, at, Access::Write)),
    ];
    for (name, expected, operation) in operations {
        assert_eq!(sweep_from(family, name, operation), expected, "{name}");
    }
    let fork = |w: &mut World| w.fork(0).map(drop);
    assert_eq!(sweep_from(parent, "fork", fork), (6, 3));
}

/// A move to where one table is missing and the next is a common one, with pages of another mapping.
#[test]
fn a_move_that_fails_leaves_common_tables_alone() {
    let neighbour = BASE + SPAN + SPAN / 2;
    let old = BASE + 10 * SPAN;
    let len = SPAN + 16 * PAGE;
    let family = || {
        let mut world = World::with_space(1000);
        let space = world.space();
        space
            .mmap(neighbour, 100 * PAGE, RW, PRIVATE)
            .expect("room");
        space.mmap(old, len, RW, PRIVATE).expect("room");
        space
            .mmap(old + len, PAGE, Prot::READ, FIXED)
            .expect("room");
        let pages = (0..100).map(|page| neighbour + page * PAGE);
        for at in pages.chain([old, old + SPAN]) {
            world.store(0, at, at).expect("writable");
        }
        world.fork(0).expect("memory");
        assert_eq!(table(&world, 0, neighbour), table(&world, 1, neighbour));
        world
    };
    let moving = |w: &mut World| {
        let moved = w.space().mremap(old, len, len + PAGE, true)?;
        assert_eq!(moved, BASE);
        Ok(())
    };
    assert_eq!(sweep_from(family, "moving", moving), (1, 1));
}
