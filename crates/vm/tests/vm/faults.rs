//! Which accesses are granted, with which frame, and what it takes to flush.

use crate::world::{PAGE, RW, RX, World, regions};
use abi::{MAXVA, MMAP_BASE, PAGE_SIZE, Prot, USER_TOP};
use vm::{Access, Fault, FaultError, Machine, RegionKind};

const AT: u64 = MMAP_BASE;

fn world(prot: Prot) -> World {
    let mut world = World::with_space(64);
    world
        .space()
        .map_anonymous_fixed(AT, 4 * PAGE, prot, RegionKind::Mapping)
        .expect("a region");
    world
}

#[test]
fn untouched_memory_takes_no_frame() {
    let mut world = world(RW);
    assert_eq!(world.ram.used(), 1, "frames in use: the root alone");
    assert_eq!(world.spaces[0].translate(AT), None);
    for page in 0..4 {
        assert_eq!(world.load(0, AT + page * PAGE + 8), Ok(0), "page {page}");
    }
    assert_eq!(
        world.spaces[0].stats().resident,
        0,
        "reading makes no page resident"
    );
    assert_eq!(
        world.ram.used(),
        3,
        "frames in use: the root and two tables"
    );
    let zero = world.ram.zero_page();
    assert_eq!(world.spaces[0].translate(AT + 5), Some((zero, Prot::READ)));
    world.audit(false);
    world.end();
}

#[test]
fn the_first_read_of_heap_data_and_stack_takes_a_frame_to_write() {
    let mut world = World::with_space(64);
    let space = world.space();
    for (start, kind) in [(AT, RegionKind::Data), (AT + PAGE, RegionKind::Stack)] {
        space
            .map_anonymous_fixed(start, PAGE, RW, kind)
            .expect("a region");
    }
    world
        .map_file(AT + 2 * PAGE, 2 * PAGE, RW, (4, 0, PAGE))
        .expect("a file with zeroes behind it");
    let space = world.space();
    space.set_heap(AT + 4 * PAGE);
    space.sbrk(PAGE as i64).expect("room");
    for (resident, page) in [(1, 0), (2, 1), (3, 3), (4, 4)] {
        let at = AT + page * PAGE;
        assert_eq!(world.load(0, at + 8), Ok(0), "page {page}");
        assert_eq!(world.spaces[0].stats().resident, resident, "page {page}");
        assert_eq!(world.spaces[0].translate(at).map(|t| t.1), Some(RW));
        world.store(0, at + 8, 9).expect("writable");
        assert_eq!(world.spaces[0].stats().resident, resident, "page {page}");
    }
    assert_eq!(world.ram.tlb().flushes, (0, 0), "nothing changed its frame");
    world.audit(false);
    world.end();
}

#[test]
fn a_write_gets_a_zeroed_frame_with_and_without_a_read_before() {
    let mut world = world(RW);
    world.load(0, AT).expect("readable");
    for page in [AT, AT + PAGE] {
        world.store(0, page + 16, 7).expect("writable");
        assert_eq!(world.load(0, page + 16), Ok(7));
        assert_eq!(
            world.load(0, page + 4088),
            Ok(0),
            "the rest of the page at {page:#x}"
        );
        assert_eq!(world.spaces[0].translate(page).map(|t| t.1), Some(RW));
    }
    assert_eq!(world.spaces[0].stats().resident, 2);
    assert_eq!(
        world.ram.tlb().flushes,
        (1, 0),
        "one page changed its frame"
    );
    world.audit(false);
    world.end();
}

#[test]
fn what_no_region_grants_is_refused() {
    let cases = [
        (RW, Access::Execute),
        (RX, Access::Write),
        (Prot::READ, Access::Write),
        (Prot::READ, Access::Execute),
        (Prot::EXEC, Access::Read),
        (Prot::empty(), Access::Read),
        (Prot::empty(), Access::Write),
        (Prot::empty(), Access::Execute),
    ];
    for (prot, access) in cases {
        let mut world = world(prot);
        assert_eq!(
            world.fault(0, AT, access),
            Err(FaultError::Refused),
            "{access:?} of {prot:?}"
        );
        assert_eq!(world.ram.used(), 1, "a refused fault takes nothing");
        world.end();
    }
}

#[test]
fn a_refusal_holds_after_the_page_is_there() {
    let mut world = world(RX);
    assert_eq!(world.load(0, AT), Ok(0));
    assert_eq!(world.store(0, AT, 1), Err(FaultError::Refused));
    assert_eq!(world.load(0, AT), Ok(0));
    world.end();
}

#[test]
fn addresses_outside_the_user_half_are_refused() {
    let mut world = world(RW);
    let edges = [
        AT - 1,
        AT + 4 * PAGE,
        0,
        USER_TOP,
        MAXVA - 1,
        MAXVA,
        AT + (1 << 39),
        AT | 1 << 63,
        u64::MAX,
        !(MAXVA - 1),
    ];
    for addr in edges {
        for access in [Access::Read, Access::Write, Access::Execute] {
            let result = world.access(0, addr, access);
            assert_eq!(result, Err(FaultError::Refused), "{access:?} at {addr:#x}");
        }
        assert_eq!(
            world.spaces[0].translate(addr),
            None,
            "translation of {addr:#x}"
        );
    }
    world.end();
}

#[test]
fn writable_means_readable_and_execute_only_is_possible() {
    let mut writable = world(Prot::WRITE);
    assert_eq!(writable.load(0, AT), Ok(0));
    assert_eq!(writable.store(0, AT, 5), Ok(()));
    assert_eq!(writable.load(0, AT), Ok(5));
    writable.end();
    let mut executable = world(Prot::EXEC);
    assert!(executable.access(0, AT, Access::Execute).is_ok());
    assert_eq!(executable.load(0, AT), Err(FaultError::Refused));
    executable.end();
}

#[test]
fn a_fault_without_a_reason_forgets_what_the_hart_remembers() {
    let mut world = world(RW);
    world.store(0, AT, 1).expect("writable");
    let before = world.ram.tlb().flushes;
    assert_eq!(world.spaces[0].fault(AT, Access::Write), Ok(Fault::Done));
    assert_eq!(world.ram.tlb().flushes, (before.0, before.1 + 1));
    world.end();
}

#[test]
fn the_last_page_of_the_user_half_works() {
    let mut world = World::with_space(16);
    let last = USER_TOP - PAGE;
    world
        .space()
        .map_anonymous_fixed(last, PAGE, RW, RegionKind::Stack)
        .expect("a region");
    assert_eq!(world.store(0, USER_TOP - 8, 3), Ok(()));
    assert_eq!(world.load(0, USER_TOP - 8), Ok(3));
    assert_eq!(world.load(0, USER_TOP), Err(FaultError::Refused));
    let stats = world.spaces[0].stats();
    assert_eq!((stats.size, stats.regions, stats.page_tables), (1, 1, 3));
    assert_eq!(
        regions(&world.spaces[0]),
        [(last, USER_TOP, RW, RegionKind::Stack)]
    );
    assert_eq!(PAGE, PAGE_SIZE as u64);
    world.end();
}
