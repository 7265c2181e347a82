//! The break.

use crate::world::{PAGE, RW, World, regions};
use abi::{MMAP_BASE, MapFlags, USER_TOP};
use vm::{Error, FaultError, RegionKind};

const BASE: u64 = 5 * PAGE;

fn world() -> World {
    let mut world = World::with_space(2200);
    world.space().set_heap(BASE);
    world
}

fn heap_end(world: &World) -> Option<(u64, u64)> {
    world.spaces[0]
        .regions()
        .find(|r| r.kind() == RegionKind::Heap)
        .map(|r| (r.start(), r.end()))
}

#[test]
fn the_break_moves_by_bytes_and_memory_by_pages() {
    let mut world = world();
    assert_eq!((world.space().sbrk(0), heap_end(&world)), (Ok(BASE), None));
    assert_eq!(world.load(0, BASE), Err(FaultError::Refused));
    assert_eq!(
        (world.space().sbrk(1), heap_end(&world)),
        (Ok(BASE), Some((BASE, BASE + PAGE)))
    );
    assert_eq!(
        world.store(0, BASE + PAGE - 8, 1),
        Ok(()),
        "the rest of the page"
    );
    assert_eq!(world.load(0, BASE + PAGE), Err(FaultError::Refused));
    assert_eq!(world.space().sbrk(PAGE as i64 - 1), Ok(BASE + 1));
    assert_eq!(
        heap_end(&world),
        Some((BASE, BASE + PAGE)),
        "the page is full now"
    );
    assert_eq!(world.space().sbrk(1), Ok(BASE + PAGE));
    assert_eq!(heap_end(&world), Some((BASE, BASE + 2 * PAGE)));
    assert_eq!(world.spaces[0].brk(), BASE + PAGE + 1);
    world.audit(false);
    world.end();
}

#[test]
fn shrinking_gives_pages_and_tables_back() {
    let mut world = world();
    let pages = 1100;
    world.space().sbrk(pages * PAGE as i64).expect("room");
    for page in 0..pages as u64 {
        world.store(0, BASE + page * PAGE, page).expect("writable");
    }
    let full = world.spaces[0].stats();
    assert_eq!((full.resident, full.page_tables), (1100, 5));
    world
        .space()
        .sbrk(-(PAGE as i64) * 1090)
        .expect("that much is there");
    let left = world.spaces[0].stats();
    assert_eq!((left.resident, left.page_tables, left.size), (10, 3, 10));
    assert_eq!(world.load(0, BASE + 9 * PAGE), Ok(9));
    assert_eq!(world.load(0, BASE + 10 * PAGE), Err(FaultError::Refused));
    world.audit(false);
    world
        .space()
        .sbrk(-(PAGE as i64) * 10)
        .expect("that much is there");
    assert_eq!(world.ram.used(), 1, "the root alone");
    world.space().sbrk(PAGE as i64).expect("room");
    assert_eq!(world.load(0, BASE), Ok(0), "no old data");
    world.end();
}

#[test]
fn shrinking_inside_a_page_keeps_the_page() {
    let mut world = world();
    world.space().sbrk(2 * PAGE as i64).expect("room");
    world.store(0, BASE, 6).expect("writable");
    assert_eq!(
        world.space().sbrk(-(2 * PAGE as i64 - 1)),
        Ok(BASE + 2 * PAGE)
    );
    assert_eq!(
        (world.load(0, BASE), heap_end(&world)),
        (Ok(6), Some((BASE, BASE + PAGE)))
    );
    world.end();
}

#[test]
fn senseless_moves_change_nothing() {
    let mut world = world();
    world.space().sbrk(100).expect("room");
    let brk = BASE + 100;
    let cases = [
        (-101, Error::Invalid),
        (i64::MIN, Error::Invalid),
        (i64::MAX, Error::NoMemory),
        ((USER_TOP - brk + 1) as i64, Error::NoMemory),
    ];
    for (delta, error) in cases {
        assert_eq!(world.space().sbrk(delta), Err(error), "sbrk({delta})");
        assert_eq!(
            world.space().sbrk(0),
            Ok(brk),
            "the break after sbrk({delta})"
        );
    }
    assert_eq!(world.space().sbrk(-100), Ok(brk), "all of it");
    assert_eq!(heap_end(&world), None);
    world.end();
}

#[test]
fn the_heap_may_fill_the_user_half_and_stops_below_a_mapping() {
    let mut world = world();
    assert_eq!(world.space().sbrk((USER_TOP - BASE) as i64), Ok(BASE));
    assert_eq!(world.store(0, USER_TOP - 8, 1), Ok(()));
    assert_eq!(world.space().sbrk(1), Err(Error::NoMemory));
    world
        .space()
        .sbrk(-((USER_TOP - BASE) as i64))
        .expect("that much is there");
    assert_eq!(world.ram.used(), 1);
    let map = world.space().mmap(0, PAGE, RW, MapFlags::empty());
    assert_eq!(map, Ok(MMAP_BASE));
    assert_eq!(
        world.space().sbrk((MMAP_BASE - BASE) as i64),
        Ok(BASE),
        "up to the mapping"
    );
    assert_eq!(world.space().sbrk(1), Err(Error::NoMemory), "not into it");
    assert_eq!(world.spaces[0].brk(), MMAP_BASE);
    world.audit(false);
    world.end();
}

#[test]
fn a_sparse_gigabyte_is_cheap() {
    let mut world = world();
    world.space().sbrk(1 << 30).expect("room");
    for at in (0..1 << 30).step_by(64 * 4096) {
        world.store(0, BASE + at, at).expect("memory");
        if world.ram.used() > 2100 {
            break;
        }
    }
    let touched = world.spaces[0].stats().resident;
    assert!(touched > 1500, "{touched} pages touched");
    assert_eq!(world.load(0, BASE + 64 * 4096), Ok(64 * 4096));
    world.space().sbrk(-(1 << 30)).expect("that much is there");
    assert_eq!(world.ram.used(), 1);
    world.end();
}

#[test]
fn a_base_inside_a_page_shares_it_with_what_is_there() {
    let mut world = World::with_space(64);
    world
        .space()
        .map_anonymous_fixed(0, PAGE, RW, RegionKind::Data)
        .expect("a region");
    world.space().set_heap(100);
    assert_eq!(world.space().sbrk(50), Ok(100));
    assert_eq!(heap_end(&world), None, "still the data's page");
    assert_eq!(world.store(0, 144, 3), Ok(()));
    assert_eq!(world.space().sbrk(PAGE as i64), Ok(150));
    assert_eq!(heap_end(&world), Some((PAGE, 2 * PAGE)));
    assert_eq!(world.space().sbrk(-(PAGE as i64) - 50), Ok(PAGE + 150));
    assert_eq!(heap_end(&world), None);
    assert_eq!(world.load(0, 144), Ok(3), "the data's page stays");
    world.end();
}

#[test]
fn a_base_inside_a_free_page_owns_it() {
    let mut world = World::with_space(64);
    world.space().set_heap(100);
    assert_eq!(world.load(0, 0), Err(FaultError::Refused));
    assert_eq!(world.space().sbrk(1), Ok(100));
    assert_eq!(heap_end(&world), Some((0, PAGE)));
    assert_eq!(world.space().sbrk(-1), Ok(101));
    assert_eq!(heap_end(&world), None);
    world.audit(false);
    world.end();
}

#[test]
fn a_new_base_gives_the_old_heap_back() {
    let mut world = world();
    world.space().sbrk(10 * PAGE as i64).expect("room");
    world.store(0, BASE, 1).expect("writable");
    world.space().set_heap(u64::MAX);
    assert_eq!((regions(&world.spaces[0]), world.ram.used()), (vec![], 1));
    assert_eq!(world.space().sbrk(1), Err(Error::NoMemory));
    world.end();
}
