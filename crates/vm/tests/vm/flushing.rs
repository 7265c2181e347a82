//! What TLBs must not have any more, and when. The machine watches two rules at every step of every test
//! (see `ram.rs`): no frame is freed that a TLB leads to, and no table that a hart may still walk.

use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, World};
use abi::{MMAP_BASE, MapFlags, Prot};

const LARGE: u64 = 512 * PAGE;
const BASE: u64 = MMAP_BASE;

fn touch(world: &mut World, p: usize, pages: impl Iterator<Item = u64>) {
    for page in pages {
        world.store(p, BASE + page * PAGE, page).expect("memory");
    }
}

/// Accesses that faulted twice, and flushes of a page and of everything, since `before`.
fn counts(world: &World, before: (usize, usize, usize)) -> (usize, usize, usize) {
    let flushes = world.ram.tlb().flushes;
    let (stale, page, all) = before;
    (world.stale - stale, flushes.0 - page, flushes.1 - all)
}

#[test]
fn a_last_owner_faults_once() {
    let mut world = World::with_space(64);
    assert_eq!(world.space().mmap(0, 4 * PAGE, RW, PRIVATE), Ok(BASE));
    touch(&mut world, 0, 0..4);
    let child = world.fork(0).expect("memory");
    for page in 0..4 {
        assert_eq!(world.load(0, BASE + page * PAGE), Ok(page));
    }
    world.exit(child);
    for page in 0..4 {
        assert_eq!(world.load(0, BASE + page * PAGE), Ok(page), "read-only now");
    }
    let before = counts(&world, (0, 0, 0));
    touch(&mut world, 0, 0..4);
    assert_eq!(counts(&world, before), (0, 4, 0));
    world.end();
}

#[test]
fn the_last_owner_of_a_large_page_faults_once_for_all_of_it() {
    let mut world = World::with_space(1600);
    let filled = PRIVATE | MapFlags::POPULATE;
    assert_eq!(world.space().mmap(0, LARGE, RW, filled), Ok(BASE));
    touch(&mut world, 0, 0..512);
    let child = world.fork(0).expect("memory");
    world.exit(child);
    for page in 0..512 {
        assert_eq!(world.load(0, BASE + page * PAGE), Ok(page), "read-only now");
    }
    let before = counts(&world, (0, 0, 0));
    touch(&mut world, 0, 0..512);
    assert_eq!(counts(&world, before), (0, 0, 1));
    world.end();
}

#[test]
fn a_parent_forgets_that_it_could_write_to_large_pages() {
    let mut world = World::with_space(2000);
    let filled = PRIVATE | MapFlags::POPULATE;
    assert_eq!(world.space().mmap(0, LARGE, RW, filled), Ok(BASE));
    world.ram.use_asids(100);
    touch(&mut world, 0, 0..512);
    let child = world.fork(0).expect("memory");
    for page in [0, 7, 511] {
        world
            .store(0, BASE + page * PAGE, 1000)
            .expect("writable still");
    }
    for page in 0..512 {
        assert_eq!(world.load(child, BASE + page * PAGE), Ok(page));
    }
    world.end();
}

#[test]
fn rights_that_come_back_cost_a_second_fault_at_most() {
    let mut world = World::with_space(64);
    let space = world.space();
    assert_eq!(space.mmap(0, 4 * PAGE, RW, PRIVATE), Ok(BASE));
    touch(&mut world, 0, 0..4);
    for prot in [Prot::READ, Prot::empty(), Prot::READ, RW] {
        let changed = world.space().mprotect(BASE, 4 * PAGE, prot);
        assert_eq!(changed, Ok(()));
        for page in 0..4 {
            let read = world.load(0, BASE + page * PAGE).ok();
            assert_eq!(read, (!prot.is_empty()).then_some(page), "with {prot:?}");
        }
    }
    let before = counts(&world, (0, 0, 0));
    touch(&mut world, 0, 0..4);
    assert_eq!(counts(&world, before), (0, 4, 0));
    world.end();
}

/// Fills the whole of `tables` tables on a machine that has no block free, and reads it all.
fn many_tables(tables: u64) -> World {
    let mut world = World::with_space(64 + 67 * tables as usize);
    let len = tables * LARGE;
    assert_eq!(world.space().mmap(0, len, RW, PRIVATE), Ok(BASE));
    for table in 0..tables {
        touch(&mut world, 0, (0..64).map(|page| table * 512 + 8 * page));
    }
    assert_eq!(world.space().stats().page_tables as u64, tables + 2);
    world
}

#[test]
fn many_tables_go_with_few_flushes() {
    for tables in [1, 15, 16, 17, 40] {
        let mut world = many_tables(tables);
        let before = counts(&world, (0, 0, 0));
        assert_eq!(world.space().munmap(BASE, tables * LARGE), Ok(()));
        // One for each 16; the table above them goes with the last.
        let flushes = (tables as usize).div_ceil(16);
        assert_eq!(counts(&world, before), (0, 0, flushes), "{tables} tables");
        assert_eq!(world.ram.used(), 1, "the root is left");
        world.audit(false);
        world.end();
    }
}

#[test]
fn common_tables_go_with_few_flushes_and_stay_with_the_other() {
    let mut world = many_tables(40);
    let child = world.fork(0).expect("memory");
    for page in 0..40 {
        let page = page * 512;
        assert_eq!(world.load(0, BASE + page * PAGE), Ok(page));
    }
    let used = world.ram.used();
    let before = counts(&world, (0, 0, 0));
    assert_eq!(world.space().munmap(BASE, 40 * LARGE), Ok(()));
    assert_eq!(counts(&world, before), (0, 0, 3));
    assert_eq!(
        world.ram.used(),
        used - 41,
        "the table above them went, and the deposits"
    );
    world.audit(false);
    for page in 0..40 {
        let page = page * 512 + 8;
        assert_eq!(world.load(child, BASE + page * PAGE), Ok(page));
    }
    // The last to have them: the tables and the pages go.
    assert_eq!(world.spaces[child].munmap(BASE, 40 * LARGE), Ok(()));
    assert_eq!(world.ram.used(), 2, "two roots are left");
    world.audit(false);
    world.end();
}
