//! `madvise` and `mincore`.

use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, RX, World, file_word, regions};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use vm::{Error, FaultError};

const BASE: u64 = MMAP_BASE;
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);

fn core(world: &World, at: u64, pages: u64) -> Vec<bool> {
    let mut told = vec![];
    let result = world.spaces[0].mincore(at, pages * PAGE, |here| told.push(here));
    assert_eq!(result, Ok(()));
    told
}

/// A process with `pages` pages at `BASE`, page `n` of which holds `n + 1`.
fn world(pages: u64, flags: MapFlags) -> World {
    let mut world = World::with_space(1200);
    assert_eq!(world.space().mmap(0, pages * PAGE, RW, flags), Ok(BASE));
    for page in 0..pages {
        world
            .store(0, BASE + page * PAGE, page + 1)
            .expect("writable");
    }
    world
}

#[test]
fn what_is_not_needed_goes_back_and_reads_zero() {
    for advice in [Advice::DontNeed, Advice::Free] {
        let mut world = world(6, PRIVATE);
        let whole = regions(&world.spaces[0]);
        let used = world.ram.used();
        let at = BASE + 2 * PAGE;
        assert_eq!(world.space().madvise(at, 2 * PAGE, advice), Ok(()));
        assert_eq!(world.ram.used(), used - 2, "pages came back, {advice:?}");
        assert_eq!(regions(&world.spaces[0]), whole);
        assert_eq!(
            core(&world, BASE, 6),
            [true, true, false, false, true, true]
        );
        let seen: Vec<_> = (0..6).map(|n| world.load(0, BASE + n * PAGE)).collect();
        assert_eq!(seen, [1, 2, 0, 0, 5, 6].map(Ok), "{advice:?}");
        assert_eq!(world.store(0, at, 9), Ok(()));
        world.audit(false);
        assert_eq!(world.space().madvise(BASE, 6 * PAGE, advice), Ok(()));
        assert_eq!(world.ram.used(), 1, "tables too");
        world.end();
    }
}

#[test]
fn whole_tables_go_and_neighbours_stay() {
    let mut world = world(1100, PRIVATE);
    let at = BASE + 510 * PAGE;
    assert_eq!(
        world.space().madvise(at, 516 * PAGE, Advice::DontNeed),
        Ok(())
    );
    let stats = world.spaces[0].stats();
    assert_eq!((stats.page_tables, stats.resident), (4, 1100 - 516));
    assert_eq!(world.load(0, BASE + 509 * PAGE), Ok(510));
    assert_eq!(world.load(0, BASE + 1026 * PAGE), Ok(1027));
    world.audit(false);
    world.end();
}

#[test]
fn a_forks_pages_stay_with_the_other() {
    let mut world = world(3, PRIVATE);
    world.fork(0).expect("memory");
    world
        .space()
        .madvise(BASE, 3 * PAGE, Advice::DontNeed)
        .expect("mapped");
    assert_eq!((world.load(0, BASE), world.load(1, BASE)), (Ok(0), Ok(1)));
    world.audit(false);
    world.end();
}

#[test]
fn shared_memory_keeps_its_contents() {
    let mut world = world(3, SHARED);
    assert_eq!(
        world.space().madvise(BASE, PAGE, Advice::Free),
        Err(Error::Invalid)
    );
    world
        .space()
        .madvise(BASE, 3 * PAGE, Advice::DontNeed)
        .expect("mapped");
    assert_eq!(core(&world, BASE, 3), [false; 3]);
    assert_eq!(world.load(0, BASE + 2 * PAGE), Ok(3));
    world.audit(true);
    world.end();
}

#[test]
fn a_file_shows_itself_again() {
    let mut world = World::with_space(64);
    world
        .map_file(0, 2 * PAGE, RW, (4, 0, PAGE))
        .expect("a region");
    world.store(0, 0, 1).expect("writable");
    world.store(0, PAGE, 1).expect("writable");
    assert_eq!(
        world.space().madvise(0, 2 * PAGE, Advice::Free),
        Err(Error::Invalid)
    );
    assert_eq!(world.load(0, 0), Ok(1));
    assert_eq!(world.space().madvise(0, 2 * PAGE, Advice::DontNeed), Ok(()));
    assert_eq!(
        (world.load(0, 0), world.load(0, PAGE)),
        (Ok(file_word(4, 0)), Ok(0))
    );
    world.audit(false);
    world.end();
}

#[test]
fn what_will_be_needed_is_there_as_far_as_frames_go() {
    let mut world = World::with_space(16);
    assert_eq!(world.space().mmap(0, 40 * PAGE, RW, PRIVATE), Ok(BASE));
    world.store(0, BASE + PAGE, 5).expect("writable");
    world.load(0, BASE).expect("readable");
    assert_eq!(
        world.space().madvise(BASE, 4 * PAGE, Advice::WillNeed),
        Ok(())
    );
    assert_eq!(core(&world, BASE, 5), [true, true, true, true, false]);
    assert_eq!(world.load(0, BASE + PAGE), Ok(5), "contents stay");
    assert_eq!(
        world.space().madvise(BASE, 40 * PAGE, Advice::WillNeed),
        Ok(())
    );
    assert_eq!(
        world.spaces[0].stats().resident,
        12,
        "all frames but three tables"
    );
    world.audit(false);
    world.end();
}

#[test]
fn filling_copies_nothing_and_leaves_files_and_refused_pages_alone() {
    let mut world = world(2, PRIVATE);
    world
        .map_file(0, 2 * PAGE, RX, (4, 0, PAGE))
        .expect("a region");
    world
        .space()
        .mmap(PAGE * 8, PAGE, Prot::empty(), PRIVATE)
        .expect("room");
    world.fork(0).expect("memory");
    let frame = world.spaces[0].translate(BASE);
    for (at, pages) in [(BASE, 2), (0, 2), (PAGE * 8, 1)] {
        assert_eq!(
            world.space().madvise(at, pages * PAGE, Advice::WillNeed),
            Ok(())
        );
    }
    assert_eq!(
        world.spaces[0].translate(BASE),
        frame,
        "still shared with the child"
    );
    assert_eq!(world.spaces[0].translate(0), None, "a page of the file");
    assert_eq!(
        world.spaces[0].translate(PAGE).map(|t| t.1),
        Some(RX),
        "behind the file"
    );
    assert_eq!(world.load(0, 8 * PAGE), Err(FaultError::Refused));
    world.audit(false);
    world.end();
}

#[test]
fn holes_and_nonsense_are_refused_whole() {
    let mut world = world(6, PRIVATE);
    world.space().munmap(BASE + 3 * PAGE, PAGE).expect("mapped");
    for (at, len, error) in [
        (BASE, 6 * PAGE, Error::NotMapped),
        (BASE + 4 * PAGE, 3 * PAGE, Error::NotMapped),
        (BASE - PAGE, 2 * PAGE, Error::NotMapped),
        (BASE + 8, PAGE, Error::Invalid),
        (BASE, u64::MAX, Error::Invalid),
    ] {
        for advice in [Advice::DontNeed, Advice::Free, Advice::WillNeed] {
            let result = world.space().madvise(at, len, advice);
            assert_eq!(result, Err(error), "{advice:?} {len:#x} at {at:#x}");
        }
        let asked = world.spaces[0].mincore(at, len, |_| panic!("told of {at:#x}"));
        assert_eq!(asked, Err(error), "mincore {len:#x} at {at:#x}");
    }
    assert_eq!(world.space().madvise(BASE, 0, Advice::DontNeed), Ok(()));
    assert_eq!(core(&world, BASE, 0), []);
    assert_eq!(core(&world, BASE, 3), [true; 3]);
    world.end();
}

#[test]
fn zeroes_that_were_only_read_are_not_resident() {
    let mut world = World::with_space(16);
    world.space().mmap(0, 3 * PAGE, RW, PRIVATE).expect("room");
    world.load(0, BASE).expect("readable");
    world.store(0, BASE + PAGE, 1).expect("writable");
    assert_eq!(core(&world, BASE, 3), [false, true, false]);
    world
        .space()
        .mprotect(BASE, 3 * PAGE, Prot::empty())
        .expect("memory");
    assert_eq!(
        core(&world, BASE, 3),
        [false, true, false],
        "out of reach, and there"
    );
    world.end();
}
