//! `mprotect`: what follows at once, what stays, and what is refused.

use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, RX, World, file_word, regions};
use abi::{MMAP_BASE, MapFlags, Prot, USER_TOP};
use vm::{Access, Error, FaultError, Machine, RegionKind};

const BASE: u64 = MMAP_BASE;
const NONE: Prot = Prot::empty();
const REFUSED: FaultError = FaultError::Refused;

/// A process with six pages at `BASE`, page `n` of which holds `n + 1`.
fn world() -> World {
    let mut world = World::with_space(64);
    assert_eq!(world.space().mmap(0, 6 * PAGE, RW, PRIVATE), Ok(BASE));
    for page in 0..6 {
        world
            .store(0, BASE + page * PAGE, page + 1)
            .expect("writable");
    }
    world
}

fn protect(world: &mut World, page: u64, count: u64, prot: Prot) -> Result<(), Error> {
    world
        .space()
        .mprotect(BASE + page * PAGE, count * PAGE, prot)
}

#[test]
fn every_change_of_rights_follows_at_once_and_keeps_the_contents() {
    let all = (0..8).map(Prot::from_bits_truncate);
    for (from, to) in all
        .clone()
        .flat_map(|from| all.clone().map(move |to| (from, to)))
    {
        let mut world = world();
        for prot in [from, to] {
            assert_eq!(
                protect(&mut world, 0, 6, prot),
                Ok(()),
                "{from:?} to {to:?}"
            );
            let can = |right| prot.contains(right);
            let read = can(Prot::READ) || can(Prot::WRITE);
            for page in 0..6 {
                let at = BASE + page * PAGE;
                let case = format!("page {page}, {from:?} to {to:?}, now {prot:?}");
                let seen = world.load(0, at);
                assert_eq!(
                    seen,
                    if read { Ok(page + 1) } else { Err(REFUSED) },
                    "{case}"
                );
                let stored = world.store(0, at, page + 1);
                assert_eq!(stored.is_ok(), can(Prot::WRITE), "a store, {case}");
                let fetched = world.access(0, at, Access::Execute);
                assert_eq!(fetched.is_ok(), can(Prot::EXEC), "a fetch, {case}");
                let shown = world.spaces[0].translate(at).is_some();
                assert_eq!(shown, !prot.is_empty(), "a translation, {case}");
            }
            assert_eq!(world.spaces[0].stats().resident, 6);
            world.audit(false);
        }
        world.end();
    }
}

#[test]
fn parts_are_cut_and_join_again() {
    let page = |n: u64| BASE + n * PAGE;
    for (first, count) in [(0, 2), (4, 2), (2, 2), (0, 6), (5, 1)] {
        let mut world = world();
        let whole = regions(&world.spaces[0]);
        assert_eq!(protect(&mut world, first, count, Prot::READ), Ok(()));
        let parts = [
            (0, first, RW),
            (first, first + count, Prot::READ),
            (first + count, 6, RW),
        ];
        let expected: Vec<_> = parts
            .into_iter()
            .filter(|(from, to, _)| from < to)
            .map(|(from, to, prot)| (page(from), page(to), prot, RegionKind::Mapping))
            .collect();
        assert_eq!(regions(&world.spaces[0]), expected);
        for n in 0..6 {
            let inside = (first..first + count).contains(&n);
            assert_eq!(world.store(0, page(n), n + 1).is_err(), inside, "page {n}");
        }
        assert_eq!(protect(&mut world, 0, 6, RW), Ok(()), "several at once");
        assert_eq!(regions(&world.spaces[0]), whole);
        assert_eq!(world.store(0, page(first), 9), Ok(()));
        world.audit(false);
        world.end();
    }
}

#[test]
fn the_same_frame_is_writable_again() {
    let mut world = world();
    let before = world.spaces[0].translate(BASE);
    for prot in [Prot::READ, NONE] {
        protect(&mut world, 0, 1, prot).expect("memory");
        protect(&mut world, 0, 1, RW).expect("memory");
        let used = world.ram.used();
        assert_eq!(world.store(0, BASE, 8), Ok(()));
        assert_eq!(world.spaces[0].translate(BASE), before, "after {prot:?}");
        assert_eq!(world.ram.used(), used);
    }
    world.end();
}

#[test]
fn a_forked_page_is_copied_whatever_its_rights_were() {
    for prot in [Prot::READ, NONE] {
        let mut world = world();
        protect(&mut world, 0, 6, prot).expect("memory");
        world.fork(0).expect("memory");
        protect(&mut world, 0, 6, RW).expect("memory");
        assert_eq!(world.store(0, BASE, 70), Ok(()));
        assert_eq!(world.load(1, BASE).is_ok(), prot == Prot::READ);
        world.spaces[1].mprotect(BASE, PAGE, RW).expect("memory");
        assert_eq!((world.load(0, BASE), world.load(1, BASE)), (Ok(70), Ok(1)));
        assert_eq!(world.store(1, BASE, 71), Ok(()));
        assert_eq!(world.load(0, BASE), Ok(70));
        world.audit(false);
        world.end();
    }
}

#[test]
fn zeroes_stay_the_common_page_until_written() {
    let mut world = World::with_space(64);
    world
        .space()
        .mmap(0, PAGE, Prot::READ, PRIVATE)
        .expect("room");
    world.load(0, BASE).expect("readable");
    protect(&mut world, 0, 1, RW).expect("memory");
    let zero = world.ram.zero_page();
    assert_eq!(world.spaces[0].translate(BASE), Some((zero, Prot::READ)));
    assert_eq!(world.store(0, BASE, 1), Ok(()));
    world.audit(false);
    world.end();
}

#[test]
fn shared_memory_has_rights_of_its_own_in_each_space() {
    let mut world = World::with_space(64);
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    world.space().mmap(0, 2 * PAGE, RW, shared).expect("room");
    world.store(0, BASE, 1).expect("writable");
    world.fork(0).expect("memory");
    protect(&mut world, 0, 1, NONE).expect("memory");
    assert_eq!(world.store(1, BASE, 2), Ok(()));
    assert_eq!(world.load(0, BASE), Err(REFUSED));
    protect(&mut world, 0, 1, RW).expect("memory");
    assert_eq!(world.load(0, BASE), Ok(2));
    assert_eq!(world.store(0, BASE, 3), Ok(()));
    assert_eq!(world.load(1, BASE), Ok(3), "still the same page");
    assert_eq!(world.spaces[0].stats().regions, 1, "joined again");
    world.audit(true);
    world.end();
}

#[test]
fn the_program_and_the_heap_too() {
    let mut world = World::with_space(64);
    world
        .map_file(0, 4 * PAGE, RX, (1, 0, 3 * PAGE + 8))
        .expect("a region");
    let space = world.space();
    space.set_heap(8 * PAGE);
    space.sbrk(3 * PAGE as i64).expect("room");
    let whole = regions(space);
    world.access(0, PAGE, Access::Execute).expect("executable");
    world.space().mprotect(PAGE, 2 * PAGE, RW).expect("memory");
    assert_eq!(world.store(0, PAGE, 5), Ok(()));
    assert_eq!(world.load(0, PAGE + 8), Ok(file_word(1, PAGE + 8)));
    assert_eq!(world.load(0, 2 * PAGE), Ok(file_word(1, 2 * PAGE)));
    assert_eq!(world.store(0, 0, 5), Err(REFUSED));
    world.space().mprotect(0, 3 * PAGE, RX).expect("memory");
    let [before, written, behind, heap] = &regions(&world.spaces[0])[..] else {
        panic!("what was writable may have copies, and stays apart");
    };
    assert_eq!((before.0, written.0, behind.1), (0, PAGE, 4 * PAGE));
    assert_eq!([before, written, behind].map(|r| r.2), [RX; 3]);
    assert_eq!(heap, &whole[1]);
    assert_eq!(world.load(0, PAGE), Ok(5));
    assert_eq!(world.load(0, 3 * PAGE), Ok(file_word(1, 3 * PAGE)));
    assert_eq!(world.load(0, 3 * PAGE + 8), Ok(0));

    // The heap's last page becomes read-only; what grows behind it is not, and all can shrink.
    world.store(0, 10 * PAGE, 6).expect("writable");
    world
        .space()
        .mprotect(10 * PAGE, PAGE, Prot::READ)
        .expect("memory");
    assert_eq!(world.store(0, 10 * PAGE, 7), Err(REFUSED));
    assert_eq!(world.space().sbrk(2 * PAGE as i64), Ok(11 * PAGE));
    assert_eq!(world.store(0, 12 * PAGE, 8), Ok(()));
    assert_eq!(world.load(0, 10 * PAGE), Ok(6));
    world.audit(false);
    assert_eq!(world.space().sbrk(-5 * PAGE as i64), Ok(13 * PAGE));
    assert_eq!(regions(&world.spaces[0]).len(), 3, "no heap any more");
    assert_eq!(world.space().sbrk(3 * PAGE as i64), Ok(8 * PAGE));
    assert_eq!(regions(&world.spaces[0])[3], whole[1]);
    assert_eq!(world.store(0, 10 * PAGE, 1), Ok(()));
    world.end();
}

#[test]
fn refused_whole() {
    let mut world = world();
    world.space().munmap(BASE + 3 * PAGE, PAGE).expect("mapped");
    let before = regions(&world.spaces[0]);
    let cases = [
        (BASE, 6 * PAGE, NONE, Error::NotMapped),
        (BASE - PAGE, 2 * PAGE, NONE, Error::NotMapped),
        (BASE + 4 * PAGE, 3 * PAGE, NONE, Error::NotMapped),
        (BASE + 3 * PAGE, PAGE, NONE, Error::NotMapped),
        (BASE + 1, PAGE, NONE, Error::Invalid),
        (BASE + 1, 0, NONE, Error::Invalid),
        (BASE, u64::MAX, NONE, Error::Invalid),
        (USER_TOP, PAGE, NONE, Error::Invalid),
        (BASE, PAGE, Prot::from_bits_retain(8), Error::Invalid),
    ];
    for (at, len, prot, error) in cases {
        let result = world.space().mprotect(at, len, prot);
        assert_eq!(result, Err(error), "{len:#x} bytes at {at:#x} {prot:?}");
    }
    assert_eq!(
        world.space().mprotect(BASE, 0, NONE),
        Ok(()),
        "nothing to do"
    );
    assert_eq!(regions(&world.spaces[0]), before);
    assert_eq!(world.load(0, BASE), Ok(1));
    world.audit(false);
    world.end();
}
