//! Copy on write.

use crate::world::{PAGE, RW, RX, World, regions};
use abi::{MMAP_BASE, Prot};
use vm::{Access, FaultError, Machine, RegionKind};

const AT: u64 = MMAP_BASE;

fn world() -> World {
    let mut world = World::with_space(128);
    world
        .space()
        .map_anonymous_fixed(AT, 8 * PAGE, RW, RegionKind::Mapping)
        .expect("a region");
    world
}

#[test]
fn both_sides_see_the_old_and_only_their_own_new() {
    let mut world = world();
    world.store(0, AT, 1).expect("writable");
    world.store(0, AT + PAGE, 2).expect("writable");
    let child = world.fork(0).expect("memory");
    assert_eq!(world.spaces[child].stats(), world.spaces[0].stats());
    assert_eq!(regions(&world.spaces[child]), regions(&world.spaces[0]));
    world.audit(false);
    world.store(0, AT, 10).expect("writable");
    world.store(child, AT + PAGE, 20).expect("writable");
    assert_eq!((world.load(0, AT), world.load(child, AT)), (Ok(10), Ok(1)));
    assert_eq!(
        (world.load(0, AT + PAGE), world.load(child, AT + PAGE)),
        (Ok(2), Ok(20))
    );
    world.audit(false);
    world.end();
}

#[test]
fn fork_copies_no_page_and_flushes_once() {
    let mut world = world();
    for page in 0..8 {
        world.store(0, AT + page * PAGE, page).expect("writable");
    }
    let used = world.ram.used();
    let before = world.ram.tlb().flushes;
    world.fork(0).expect("memory");
    assert_eq!(
        world.ram.used(),
        used + 3,
        "the child's tables and nothing else"
    );
    assert_eq!(world.ram.tlb().flushes, (before.0, before.1 + 1));
    let before = world.ram.tlb().flushes;
    world.fork(0).expect("memory");
    assert_eq!(
        world.ram.tlb().flushes,
        before,
        "no entry lost a right the second time"
    );
    world.end();
}

#[test]
fn the_last_owner_takes_the_page_in_place() {
    let mut world = world();
    world.store(0, AT, 1).expect("writable");
    let frame = world.spaces[0].translate(AT).map(|t| t.0);
    world.fork(0).expect("memory");
    world.store(1, AT, 2).expect("writable");
    assert_ne!(
        world.spaces[1].translate(AT).map(|t| t.0),
        frame,
        "the child's copy"
    );
    let used = world.ram.used();
    world.store(0, AT, 3).expect("writable");
    assert_eq!(
        world.spaces[0].translate(AT),
        frame.map(|pfn| (pfn, RW)),
        "the parent's old one"
    );
    assert_eq!(world.ram.used(), used);
    assert_eq!(world.load(1, AT), Ok(2));
    world.audit(false);
    world.end();
}

#[test]
fn either_may_end_first() {
    for first in [0, 1] {
        let mut world = world();
        world.store(0, AT, 41).expect("writable");
        world.fork(0).expect("memory");
        world.exit(first);
        world.audit(false);
        assert_eq!(world.load(0, AT), Ok(41), "after number {first} ended");
        assert_eq!(world.store(0, AT, 42), Ok(()));
        world.end();
    }
}

#[test]
fn three_generations_share_and_part() {
    let mut world = world();
    world.store(0, AT, 1).expect("writable");
    world.fork(0).expect("memory");
    world.fork(1).expect("memory");
    for (p, value) in [(1, 100), (0, 200), (2, 300)] {
        world.store(p, AT, value).expect("writable");
        world.audit(false);
    }
    let seen: Vec<_> = (0..3).map(|p| world.load(p, AT)).collect();
    assert_eq!(seen, [Ok(200), Ok(100), Ok(300)]);
    world.end();
}

#[test]
fn the_page_of_zeroes_and_the_files_pages_are_shared_too() {
    let mut world = world();
    world.map_file(0, PAGE, RX, (3, 0, PAGE)).expect("a region");
    world.load(0, AT).expect("readable");
    let text = world.access(0, 0, Access::Execute);
    world.fork(0).expect("memory");
    world.audit(false);
    assert_eq!(
        world.spaces[1].translate(AT),
        Some((world.ram.zero_page(), Prot::READ))
    );
    assert_eq!(world.spaces[1].translate(0).map(|t| t.0), text.ok());
    assert_eq!(world.store(1, AT, 9), Ok(()));
    assert_eq!(world.load(0, AT), Ok(0));
    assert_eq!(world.store(1, 0, 9), Err(FaultError::Refused));
    world.end();
}

#[test]
fn untouched_memory_costs_a_fork_nothing() {
    let mut world = world();
    world
        .space()
        .map_anonymous_fixed(0, 1 << 36, RW, RegionKind::Data)
        .expect("a region");
    world.fork(0).expect("memory");
    assert_eq!(world.ram.used(), 2, "two roots");
    world.end();
}

#[test]
fn the_childs_heap_is_its_own() {
    let mut world = World::with_space(64);
    world.space().set_heap(PAGE);
    assert_eq!(world.space().sbrk(100), Ok(PAGE));
    world.fork(0).expect("memory");
    assert_eq!(world.spaces[1].sbrk(5000), Ok(PAGE + 100));
    assert_eq!(
        (world.spaces[0].brk(), world.spaces[1].brk()),
        (PAGE + 100, PAGE + 5100)
    );
    assert_eq!(world.store(1, PAGE + 5000, 1), Ok(()));
    assert_eq!(world.store(0, PAGE + 5000, 1), Err(FaultError::Refused));
    world.end();
}

#[test]
fn a_switch_of_spaces_with_asids_flushes_nothing_and_shows_nothing_old() {
    let mut world = world();
    world.ram.use_asids(100);
    world.store(0, AT, 1).expect("writable");
    world.fork(0).expect("memory");
    let flushes = world.ram.tlb().flushes;
    for _ in 0..3 {
        assert_eq!((world.load(0, AT), world.load(1, AT)), (Ok(1), Ok(1)));
    }
    assert_eq!(world.ram.tlb().flushes, flushes);
    world.store(0, AT, 2).expect("writable");
    assert_eq!((world.load(0, AT), world.load(1, AT)), (Ok(2), Ok(1)));
    world.store(1, AT, 3).expect("writable");
    assert_eq!((world.load(0, AT), world.load(1, AT)), (Ok(2), Ok(3)));
    // While the hart runs on the other: the flush must name the space it is for.
    let none = Prot::empty();
    world.spaces[0].mprotect(AT, PAGE, none).expect("memory");
    assert_eq!(world.load(0, AT), Err(FaultError::Refused));
    assert_eq!(world.load(1, AT), Ok(3));
    world.audit(false);
    world.end();
}
