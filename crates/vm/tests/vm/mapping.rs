//! `mmap`: where a mapping comes to lie, and what is refused.

use crate::world::{PAGE, RW, World, regions};
use abi::{MMAP_BASE, MapFlags, Prot, USER_TOP};
use vm::{Error, FaultError, Machine, RegionKind};

pub(crate) const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
pub(crate) const FIXED: MapFlags = PRIVATE.union(MapFlags::FIXED);
const BASE: u64 = MMAP_BASE;

fn map(world: &mut World, hint: u64, len: u64) -> Result<u64, Error> {
    world.space().mmap(hint, len, RW, PRIVATE)
}

#[test]
fn the_lowest_free_place_is_taken() {
    let mut world = World::with_space(64);
    assert_eq!(map(&mut world, 0, 1), Ok(BASE));
    assert_eq!(map(&mut world, 0, PAGE + 1), Ok(BASE + PAGE));
    assert_eq!(map(&mut world, 0, PAGE), Ok(BASE + 3 * PAGE));
    world.space().munmap(BASE + PAGE, 2 * PAGE).expect("mapped");
    assert_eq!(
        map(&mut world, 0, 3 * PAGE),
        Ok(BASE + 4 * PAGE),
        "too wide for the hole"
    );
    assert_eq!(map(&mut world, 0, PAGE), Ok(BASE + PAGE));
    assert_eq!(map(&mut world, 0, PAGE), Ok(BASE + 2 * PAGE));
    assert_eq!(map(&mut world, 0, PAGE), Ok(BASE + 7 * PAGE));
    world.audit(false);
    world.end();
}

#[test]
fn a_hint_is_rounded_and_taken_when_free() {
    let mut world = World::with_space(64);
    assert_eq!(map(&mut world, 0x10_0123, PAGE), Ok(0x10_0000));
    assert_eq!(map(&mut world, 0x10_0000, PAGE), Ok(BASE), "occupied");
    assert_eq!(
        map(&mut world, 0xf_f000, 2 * PAGE),
        Ok(BASE + PAGE),
        "half occupied"
    );
    assert_eq!(
        map(&mut world, 12, PAGE),
        Ok(BASE + 3 * PAGE),
        "a hint in page 0 is none"
    );
    let last = USER_TOP - PAGE;
    assert_eq!(
        map(&mut world, last, 2 * PAGE),
        Ok(BASE + 4 * PAGE),
        "leaves the user half"
    );
    assert_eq!(map(&mut world, last, PAGE), Ok(last));
    for hint in [USER_TOP, u64::MAX, 1 << 63, !4095] {
        let at = map(&mut world, hint, PAGE);
        assert!(
            at.is_ok_and(|at| at > BASE && at < BASE + 20 * PAGE),
            "{hint:#x}: {at:x?}"
        );
    }
    world.audit(false);
    world.end();
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let mut world = World::with_space(64);
    for len in [0, u64::MAX, u64::MAX - PAGE + 2, 1 << 63, USER_TOP + 1] {
        for flags in [MapFlags::empty(), PRIVATE, FIXED] {
            let result = world.space().mmap(BASE, len, RW, flags);
            assert_eq!(result, Err(Error::Invalid), "length {len:#x}, {flags:?}");
        }
    }
    assert_eq!(
        map(&mut world, 0, USER_TOP - BASE + 1),
        Err(Error::NoMemory)
    );
    assert_eq!(
        map(&mut world, 0, USER_TOP - BASE),
        Ok(BASE),
        "the whole area"
    );
    assert_eq!(map(&mut world, 0, 1), Err(Error::NoMemory), "no room left");
    assert_eq!(
        map(&mut world, PAGE, PAGE),
        Ok(PAGE),
        "but a hint elsewhere is fine"
    );
    world.audit(false);
    world.end();
}

#[test]
fn low_mappings_lie_below_2_gib() {
    let mut world = World::with_space(64);
    let low = PRIVATE | MapFlags::LOW;
    let (first, end) = (abi::MMAP_LOW.start, abi::MMAP_LOW.end);
    let mut map = |hint, len| world.space().mmap(hint, len, RW, low);
    assert_eq!(map(0, PAGE), Ok(first));
    assert_eq!(map(first, PAGE), Ok(first + PAGE), "a hint that is taken");
    assert_eq!(map(BASE, PAGE), Ok(first + 2 * PAGE), "a hint too high");
    assert_eq!(map(end - PAGE, 2 * PAGE), Ok(first + 3 * PAGE), "too long");
    assert_eq!(map(end - PAGE, PAGE), Ok(end - PAGE));
    assert_eq!(map(8 * PAGE, PAGE), Ok(8 * PAGE), "a hint below the area");
    assert_eq!(map(0, end - first), Err(Error::NoMemory), "no such gap");
    world.audit(false);
    world.end();
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let mut world = World::with_space(64);
    let both = MapFlags::SHARED | MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let cases = [
        MapFlags::ANONYMOUS,
        MapFlags::FIXED | MapFlags::ANONYMOUS,
        MapFlags::PRIVATE,
        MapFlags::SHARED,
        both,
        MapFlags::POPULATE,
        MapFlags::NORESERVE | MapFlags::ANONYMOUS,
        MapFlags::FIXED_NOREPLACE,
        PRIVATE | MapFlags::from_bits_retain(1 << 19),
    ];
    for flags in cases {
        assert_eq!(
            world.space().mmap(0, PAGE, RW, flags),
            Err(Error::Invalid),
            "{flags:?}"
        );
    }
    let prot = Prot::from_bits_retain(8);
    assert_eq!(
        world.space().mmap(0, PAGE, prot, PRIVATE),
        Err(Error::Invalid)
    );
    assert_eq!(regions(&world.spaces[0]), []);
    world.end();
}

#[test]
fn no_flags_mean_readable_and_writable() {
    let mut world = World::with_space(64);
    let at = world
        .space()
        .mmap(0, PAGE, Prot::empty(), MapFlags::empty())
        .expect("room");
    assert_eq!(world.store(0, at, 1), Ok(()));
    let at = world
        .space()
        .mmap(0, PAGE, Prot::empty(), PRIVATE)
        .expect("room");
    assert_eq!(
        world.load(0, at),
        Err(FaultError::Refused),
        "flags given, no rights given"
    );
    world.end();
}

#[test]
fn fixed_replaces_what_is_there() {
    let mut world = World::with_space(64);
    map(&mut world, 0, 6 * PAGE).expect("room");
    for page in 0..6 {
        world
            .store(0, BASE + page * PAGE, page + 1)
            .expect("writable");
    }
    let at = BASE + 2 * PAGE;
    assert_eq!(world.space().mmap(at, 2 * PAGE, Prot::READ, FIXED), Ok(at));
    let seen: Vec<_> = (0..6)
        .map(|page| world.load(0, BASE + page * PAGE))
        .collect();
    assert_eq!(seen, [1, 2, 0, 0, 5, 6].map(Ok));
    assert_eq!(
        world.store(0, at, 1),
        Err(FaultError::Refused),
        "the new protection"
    );
    assert_eq!(world.spaces[0].stats().regions, 3);
    world.audit(false);
    let all = BASE - PAGE;
    assert_eq!(
        world.space().mmap(all, 9 * PAGE, RW, FIXED),
        Ok(all),
        "over all and holes"
    );
    assert_eq!(
        regions(&world.spaces[0]),
        [(all, all + 9 * PAGE, RW, RegionKind::Mapping)]
    );
    assert_eq!(world.load(0, BASE), Ok(0));
    world.audit(false);
    world.end();
}

#[test]
fn fixed_is_exact_or_refused() {
    let mut world = World::with_space(64);
    world
        .space()
        .map_anonymous_fixed(0, PAGE, RW, RegionKind::Stack)
        .expect("a region");
    world.space().set_heap(PAGE);
    world.space().sbrk(PAGE as i64).expect("room");
    world.store(0, 0, 5).expect("writable");
    map(&mut world, 2 * PAGE, PAGE).expect("room");
    world.store(0, 2 * PAGE, 6).expect("writable");
    let before = regions(&world.spaces[0]);
    for (at, len) in [
        (1, PAGE),
        (0, PAGE),
        (PAGE, PAGE),
        (PAGE, 4 * PAGE),
        (USER_TOP, 1),
    ] {
        let result = world.space().mmap(at, len, RW, FIXED);
        assert_eq!(result, Err(Error::Invalid), "{len:#x} bytes at {at:#x}");
    }
    assert_eq!(regions(&world.spaces[0]), before);
    assert_eq!((world.load(0, 0), world.load(0, 2 * PAGE)), (Ok(5), Ok(6)));
    assert_eq!(
        world.space().mmap(3 * PAGE, PAGE, RW, FIXED),
        Ok(3 * PAGE),
        "a free page"
    );
    world.audit(false);
    world.end();
}

#[test]
fn fixed_without_replacing() {
    let mut world = World::with_space(64);
    world.space().set_heap(PAGE);
    world.space().sbrk(PAGE as i64).expect("room");
    map(&mut world, 0, 2 * PAGE).expect("room");
    world.store(0, BASE, 7).expect("writable");
    let before = regions(&world.spaces[0]);
    for also in [MapFlags::empty(), MapFlags::FIXED] {
        let flags = PRIVATE | MapFlags::FIXED_NOREPLACE | also;
        for (at, len, error) in [
            (BASE, PAGE, Error::Occupied),
            (BASE - PAGE, 2 * PAGE, Error::Occupied),
            (BASE + PAGE, 9 * PAGE, Error::Occupied),
            (PAGE, PAGE, Error::Occupied),
            (BASE + 2 * PAGE + 8, PAGE, Error::Invalid),
            (USER_TOP, PAGE, Error::Invalid),
            (USER_TOP - PAGE, 2 * PAGE, Error::Invalid),
        ] {
            let result = world.space().mmap(at, len, RW, flags);
            assert_eq!(result, Err(error), "{len:#x} bytes at {at:#x}, {flags:?}");
        }
        assert_eq!(regions(&world.spaces[0]), before);
        let at = BASE + 2 * PAGE;
        assert_eq!(world.space().mmap(at, PAGE, RW, flags), Ok(at));
        world.space().munmap(at, PAGE).expect("mapped");
    }
    let alone = MapFlags::FIXED_NOREPLACE;
    let result = world.space().mmap(BASE + 4 * PAGE, PAGE, RW, alone);
    assert_eq!(result, Err(Error::Invalid), "neither private nor shared");
    assert_eq!(world.load(0, BASE), Ok(7));
    world.audit(false);
    world.end();
}

#[test]
fn populated_memory_takes_no_fault() {
    let kinds = [PRIVATE, MapFlags::SHARED | MapFlags::ANONYMOUS];
    for (kind, prot) in kinds.map(|kind| [(kind, RW), (kind, Prot::READ)]).concat() {
        let mut world = World::with_space(64);
        let flags = kind | MapFlags::POPULATE | MapFlags::NORESERVE;
        assert_eq!(world.space().mmap(0, 4 * PAGE, prot, flags), Ok(BASE));
        let zero = world.ram.zero_page();
        for page in 0..4 {
            let (pfn, rights) = world.spaces[0]
                .translate(BASE + page * PAGE)
                .unwrap_or_else(|| panic!("page {page} of {kind:?} {prot:?} is missing"));
            assert_eq!(rights, prot, "rights to page {page} of {kind:?}");
            let own = kind != PRIVATE || prot == RW;
            assert_eq!(pfn != zero, own, "frame of page {page}, {kind:?} {prot:?}");
        }
        world.audit(true);
        world.end();
    }
}

#[test]
fn populating_without_rights_or_memory_is_no_error() {
    let mut world = World::with_space(8);
    let flags = PRIVATE | MapFlags::POPULATE;
    let none = Prot::empty();
    assert_eq!(world.space().mmap(0, 4 * PAGE, none, flags), Ok(BASE));
    assert_eq!(world.ram.used(), 1, "the root alone");
    let at = BASE + 4 * PAGE;
    assert_eq!(world.space().mmap(0, 40 * PAGE, RW, flags), Ok(at));
    assert_eq!(world.spaces[0].stats().size, 44, "the mapping is there");
    assert_eq!(world.spaces[0].stats().resident, 4, "as far as frames went");
    world.audit(false);
    world.space().munmap(at, 4 * PAGE).expect("mapped");
    assert_eq!(world.store(0, at + 30 * PAGE, 1), Ok(()), "when touched");
    world.end();
}

#[test]
fn neighbours_that_agree_are_one_region() {
    let mut world = World::with_space(64);
    let page = |n: u64| BASE + n * PAGE;
    for n in [0, 1, 3, 4, 2] {
        assert_eq!(map(&mut world, page(n), PAGE), Ok(page(n)));
    }
    assert_eq!(
        regions(&world.spaces[0]),
        [(page(0), page(5), RW, RegionKind::Mapping)]
    );
    world
        .space()
        .mmap(page(5), PAGE, Prot::READ, PRIVATE)
        .expect("room");
    assert_eq!(
        world.spaces[0].stats().regions,
        2,
        "other rights, another region"
    );
    world
        .space()
        .map_anonymous_fixed(page(6), PAGE, Prot::READ, RegionKind::Data)
        .expect("room");
    assert_eq!(
        world.spaces[0].stats().regions,
        3,
        "another kind, another region"
    );
    assert_eq!(world.spaces[0].stats().size, 7);
    world.end();
}

#[test]
fn thousands_of_regions_find_their_place() {
    let mut world = World::with_space(16);
    let prots = [Prot::READ, RW];
    for n in 0..5000 {
        let at = world.space().mmap(0, PAGE, prots[n as usize % 2], PRIVATE);
        assert_eq!(at, Ok(BASE + n * PAGE));
    }
    assert_eq!(world.spaces[0].stats().regions, 5000);
    for n in (1..5000).step_by(2) {
        world.space().munmap(BASE + n * PAGE, PAGE).expect("mapped");
    }
    assert_eq!(map(&mut world, 0, 2 * PAGE), Ok(BASE + 4999 * PAGE));
    assert_eq!(map(&mut world, 0, PAGE), Ok(BASE + PAGE));
    world.space().munmap(BASE, 6000 * PAGE).expect("mapped");
    assert_eq!(regions(&world.spaces[0]), []);
    world.end();
}
