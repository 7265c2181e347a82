//! What a space is promised, and that a machine that does not promise more than it has never runs out.

use crate::world::{PAGE, RW, RX, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use vm::{Access, Error, RegionKind};

const AT: u64 = MMAP_BASE;
const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);
const MIB: u64 = 1 << 20;
/// The root, and the two tables that a page needs below it.
const TABLES: u64 = 3;

fn committed(world: &World) -> u64 {
    let space = world.spaces[0].committed();
    assert_eq!(
        world.ram.committed(),
        space,
        "the machine's promises, those of the space"
    );
    space
}

#[test]
fn what_can_be_written_counts_with_its_tables() {
    let mut world = World::with_space(16);
    assert_eq!(committed(&world), 1, "the root");
    world.space().mmap(AT, 8 * PAGE, RW, PRIVATE).expect("room");
    assert_eq!(committed(&world), 8 + TABLES);
    world.store(0, AT, 1).expect("writable");
    assert_eq!(committed(&world), 8 + TABLES, "touching changes nothing");
    let next = AT + 10 * PAGE;
    world.space().mmap(next, PAGE, RW, PRIVATE).expect("room");
    assert_eq!(
        committed(&world),
        9 + TABLES,
        "a neighbour in the same table"
    );
    let far = AT + 2 * MIB;
    world.space().mmap(far, PAGE, RW, PRIVATE).expect("room");
    assert_eq!(committed(&world), 10 + TABLES + 1, "one in the next table");
    world
        .space()
        .munmap(AT + 2 * PAGE, 4 * PAGE)
        .expect("mapped");
    assert_eq!(committed(&world), 6 + TABLES + 1, "a hole in the middle");
    world.space().munmap(AT, 4 * MIB).expect("mapped");
    assert_eq!(committed(&world), 1, "nothing is left");
    world.end();
}

#[test]
fn what_shows_zeroes_or_a_file_counts_with_its_tables_alone() {
    let mut world = World::with_space(32);
    let space = world.space();
    space.mmap(AT, 8 * PAGE, Prot::READ, PRIVATE).expect("room");
    assert_eq!(committed(&world), TABLES);
    let space = world.space();
    space.mprotect(AT, 2 * PAGE, RW).expect("mapped");
    assert_eq!(committed(&world), 2 + TABLES, "writable now");
    let space = world.space();
    space.mprotect(AT, 2 * PAGE, Prot::empty()).expect("mapped");
    assert_eq!(committed(&world), 2 + TABLES, "frames stay when rights go");
    let space = world.space();
    space.munmap(AT, 8 * PAGE).expect("mapped");
    world
        .map_file(AT, 4 * PAGE, RX, (3, 0, 2 * PAGE + 1))
        .expect("room");
    assert_eq!(
        committed(&world),
        2 + TABLES,
        "a page cut short, and one behind"
    );
    world.end();
}

#[test]
fn what_cannot_be_touched_counts_not_at_all() {
    let mut world = World::with_space(32);
    let space = world.space();
    space
        .mmap(AT, 1 << 36, Prot::empty(), PRIVATE)
        .expect("room");
    assert_eq!(committed(&world), 1);
    let space = world.space();
    space.mprotect(AT + MIB, PAGE, RW).expect("mapped");
    assert_eq!(committed(&world), 1 + TABLES);
    world.end();
}

#[test]
fn shared_memory_counts_once_and_a_fork_as_much_again() {
    let mut world = World::with_space(64);
    world.space().mmap(AT, 4 * PAGE, RW, SHARED).expect("room");
    let object = 4;
    assert_eq!(world.ram.committed(), TABLES + object);
    world.fork(0).expect("memory");
    assert_eq!(world.ram.committed(), 2 * TABLES + object);
    let grown = world.space().mremap(AT, 4 * PAGE, 6 * PAGE, false);
    assert_eq!(
        (grown, world.ram.committed()),
        (Ok(AT), 2 * TABLES + object + 2)
    );
    world.end();
    let mut world = World::with_space(64);
    world.space().mmap(AT, 4 * PAGE, RW, PRIVATE).expect("room");
    world.store(0, AT, 1).expect("writable");
    world.fork(0).expect("memory");
    assert_eq!(world.ram.committed(), 2 * (4 + TABLES));
    world.exit(1);
    assert_eq!(world.ram.committed(), 4 + TABLES);
    world.end();
}

#[test]
fn what_cannot_be_promised_is_refused_and_changes_nothing() {
    let mut world = World::with_space(32);
    world.ram.be_strict(0);
    world.space().set_heap(PAGE);
    world.space().sbrk(12 * PAGE as i64).expect("room");
    let before = committed(&world);
    assert_eq!(before, 12 + TABLES);
    let space = world.space();
    assert_eq!(space.sbrk(20 * PAGE as i64), Err(Error::NoMemory));
    for flags in [PRIVATE, SHARED, PRIVATE | MapFlags::NORESERVE] {
        assert_eq!(space.mmap(AT, 20 * PAGE, RW, flags), Err(Error::NoMemory));
    }
    let data = RegionKind::Data;
    let fixed = space.map_anonymous_fixed(AT, 20 * PAGE, RW, data);
    assert_eq!(fixed, Err(Error::NoMemory));
    assert_eq!(committed(&world), before);
    let space = world.space();
    space
        .mmap(AT, 20 * PAGE, Prot::READ, PRIVATE)
        .expect("tables only");
    let before = committed(&world);
    let space = world.space();
    assert_eq!(space.mprotect(AT, 20 * PAGE, RW), Err(Error::NoMemory));
    assert_eq!(world.fork(0), Err(Error::NoMemory));
    assert_eq!(committed(&world), before);
    world.end();
}

/// All that was promised is touched, on both sides of a fork, with not a frame to spare.
#[test]
fn promises_are_kept_to_the_last_frame() {
    let pages = 600;
    // Both sides have a spare for each of the two tables that they share.
    let frames = 2 * (pages + 2 + TABLES + 2);
    let mut world = World::with_space(frames as usize + 1);
    world.ram.be_strict(0);
    // Two leaf tables, which a fork leaves to both.
    let start = AT + 4 * PAGE;
    let length = pages * PAGE;
    world
        .space()
        .mmap(start, length, RW, PRIVATE)
        .expect("room");
    let all = Advice::WillNeed;
    world.space().madvise(start, length, all).expect("mapped");
    let child = world.fork(0).expect("as much again");
    for p in [child, 0] {
        for page in 0..pages {
            let at = start + page * PAGE;
            world.access(p, at, Access::Write).expect("it was promised");
        }
    }
    world.audit(false);
    world.end();
}

#[test]
fn what_a_file_does_not_fill_counts_whatever_the_rights() {
    let mut world = World::with_space(64);
    let at = 16 * PAGE;
    let none = Prot::empty();
    world
        .map_file(at, 4 * MIB, none, (3, 0, PAGE))
        .expect("room");
    let before = committed(&world);
    let last = at + 4 * MIB - 8 * PAGE;
    for (start, length) in [(last, 8 * PAGE), (at, 4 * MIB)] {
        let space = world.space();
        space.mprotect(start, length, Prot::READ).expect("mapped");
        assert_eq!(committed(&world), before, "readable from {start:#x}");
    }
    world.end();
}

#[test]
fn a_refused_growth_of_shared_memory_leaves_no_promise() {
    for pages in 80..110 {
        let mut world = World::with_space(128);
        world.space().mmap(AT, PAGE, RW, SHARED).expect("room");
        let next = world.space().mmap(AT + PAGE, PAGE, Prot::READ, PRIVATE);
        world.ram.be_strict(30);
        let before = world.ram.committed();
        for may_move in [false, true] {
            let grown = world.space().mremap(AT, PAGE, pages * PAGE, may_move);
            let kept = grown.is_ok() || world.ram.committed() == before;
            assert!(kept, "{pages} pages, {may_move}: {grown:?}, {next:?}");
        }
        world.end();
    }
}

#[test]
fn what_moves_or_is_replaced_needs_no_second_promise() {
    let mut world = World::with_space(64);
    world
        .space()
        .mmap(AT, 40 * PAGE, RW, PRIVATE)
        .expect("room");
    world
        .space()
        .mmap(AT + 40 * PAGE, PAGE, Prot::READ, PRIVATE)
        .expect("room");
    world.ram.be_strict(0);
    let moved = world.space().mremap(AT, 40 * PAGE, 41 * PAGE, true);
    let at = moved.expect("one page more");
    let again = world
        .space()
        .mmap(at, 41 * PAGE, RW, PRIVATE | MapFlags::FIXED);
    assert_eq!(again, Ok(at));
    world.end();
}

#[test]
fn rights_changed_there_and_back_do_not_hinder_growth() {
    let mut world = World::with_space(64);
    let space = world.space();
    space.mmap(AT, 4 * PAGE, Prot::READ, PRIVATE).expect("room");
    space.mprotect(AT, PAGE, RW).expect("mapped");
    space.mprotect(AT, PAGE, Prot::READ).expect("mapped");
    assert_eq!(space.mremap(AT, 4 * PAGE, 6 * PAGE, true), Ok(AT));
    assert_eq!(committed(&world), 6 + TABLES);
    world.end();
}
