//! Objects that change the entries of their pages in all spaces that map them, while two harts have them in
//! their TLBs, and while the spaces change.

use crate::mmu::{go_to, survey};
use crate::ram::Ram;
use crate::world::{FILE_PAGES, PAGE, RW, World, check_numbers};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use frames::Pfn;
use std::hint::spin_loop;
use std::sync::Barrier;
use vm::object::Mappings;
use vm::{Machine, Object};

const BASE: u64 = MMAP_BASE;
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);
const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
/// Pages of the file that are mapped from address 0: enough for a fork to share their table.
const PAGES: u64 = FILE_PAGES;
/// Memory of the program's own behind them, in the same table.
const OWN: u64 = PAGES * PAGE;

/// A process that has read all of a file, and written the memory behind it.
fn reader() -> World {
    let mut world = World::with_space(1200);
    world.ram.use_asids(20);
    world.unmapped = true;
    let whole = (1, 0, PAGES * PAGE);
    world.map_file(0, PAGES * PAGE, RW, whole).expect("memory");
    let kind = vm::RegionKind::Data;
    let own = world.space().map_anonymous_fixed(OWN, 2 * PAGE, RW, kind);
    own.expect("memory");
    world.store(0, OWN, 7).expect("memory");
    for page in 0..PAGES {
        assert!(world.load(0, page * PAGE).is_ok(), "page {page}");
    }
    world
}

fn all(entries: usize, accessed: bool, dirty: bool) -> Mappings {
    Mappings {
        entries,
        accessed,
        dirty,
    }
}

/// How many entries of all spaces lead to the frame.
fn entries(world: &World, pfn: Pfn) -> usize {
    let spaces = world.spaces.iter();
    let pages = spaces.flat_map(|space| survey(&world.ram, space.root()).pages);
    pages.filter(|page| page.1 == pfn).count()
}

#[test]
fn a_page_leaves_a_table_that_a_fork_left_to_three_spaces() {
    let mut world = reader();
    let (child, own) = (world.fork(0).expect("memory"), world.spaces[0].resident());
    let grandchild = world.fork(child).expect("memory");
    let frame = world.frame_of(1, 3).expect("it was read");
    // Hart 1 runs one of them, hart 0 another; the third has the page under an ASID.
    for (hart, p) in [(0, 0), (0, child), (1, grandchild)] {
        go_to(hart);
        world.load(p, 3 * PAGE).expect("it is there");
    }
    go_to(0);
    let used = world.ram.used();
    let found = world.file(1).object.unmap(3..4);
    assert_eq!(found, all(1, true, false), "one entry for three");
    world.ram.check_tlbs();
    assert_eq!((entries(&world, frame), world.ram.used()), (0, used));
    for p in [0, child, grandchild] {
        assert_eq!(world.spaces[p].resident(), own, "own pages of process {p}");
        assert!(world.load(p, 3 * PAGE).is_ok(), "process {p} has it back");
    }
    world.audit(false);
    world.end();
}

#[test]
fn a_copied_table_loses_the_page_too() {
    let mut world = reader();
    let child = world.fork(0).expect("memory");
    world.store(child, OWN, 8).expect("memory");
    world.store(child, 4 * PAGE, 9).expect("memory");
    let frames = [3, 4].map(|index| world.frame_of(1, index).expect("it was read"));
    assert_eq!(frames.map(|pfn| entries(&world, pfn)), [2, 1]);
    assert_eq!(world.file(1).object.unmap(3..5), all(3, true, false));
    assert_eq!(frames.map(|pfn| entries(&world, pfn)), [0, 0]);
    assert_eq!(world.load(child, 4 * PAGE), Ok(9), "the copy stays");
    assert_eq!(world.load(child, OWN), Ok(8));
    world.audit(false);
    world.end();
}

#[test]
fn a_range_goes_from_every_place_and_nothing_beside_it() {
    let mut world = reader();
    let again = (1, 10 * PAGE, 20 * PAGE);
    let place = 3 << 21;
    world
        .map_file(place, 20 * PAGE, Prot::READ, again)
        .expect("memory");
    for page in 0..20 {
        world.load(0, place + page * PAGE).expect("it was read");
    }
    let object = world.file(1).object;
    assert_eq!(object.unmap(15..17).entries, 4, "at two places");
    assert_eq!(object.unmap(15..17).entries, 0, "they are gone");
    assert_eq!(
        object.unmap(28..u64::MAX).entries,
        PAGES as usize - 28 + 2,
        "to the end"
    );
    let left = (0..PAGES).filter(|page| world.spaces[0].translate(page * PAGE).is_some());
    assert_eq!(left.count(), 26);
    let stale = object.unmap(0..u64::MAX);
    assert_eq!(stale.entries, 26 + 16, "what is left");
    world.audit(false);
    // The tables are empty, and go with their regions.
    world.exit(0);
    world.end();
}

type Act = fn(&Object<Ram>) -> Mappings;

#[test]
fn what_shared_memory_allows_after_each_change() {
    // The entries are those of two processes; who stores faults first in all cases.
    let cases: [(&str, Act, Mappings, bool); 3] = [
        ("unmap", |o| o.unmap(0..1), all(2, true, true), false),
        (
            "write-protect",
            |o| o.write_protect(0..1),
            all(2, true, true),
            true,
        ),
        (
            "test and clear",
            |o| o.test_and_clear(0..1),
            all(2, true, true),
            false,
        ),
    ];
    for (name, act, expected, readable) in cases {
        let mut world = World::with_space(100);
        world.ram.use_asids(20);
        world.unmapped = true;
        let at = world.space().mmap(0, 2 * PAGE, RW, SHARED).expect("memory");
        let child = world.fork(0).expect("memory");
        for (hart, p) in [(0, 0), (1, child)] {
            go_to(hart);
            world.store(p, at, 5 + p as u64).expect("memory");
            world.store(p, at + PAGE, 1).expect("memory");
        }
        go_to(0);
        let own = world.spaces[0].resident();
        let region = world.spaces[0].region(at).and_then(|r| r.object());
        let found = act(region.expect("shared memory").0);
        assert_eq!(found, expected, "{name}");
        world.ram.check_tlbs();
        let left = own - usize::from(name == "unmap");
        for p in [0, child] {
            assert_eq!(world.spaces[p].resident(), left, "{name}: own pages");
            let now = world.spaces[p].translate(at).map(|found| found.1);
            let expected = readable.then_some(Prot::READ);
            assert_eq!(now, expected, "{name}: rights of process {p}");
            assert!(world.spaces[p].translate(at + PAGE).is_some(), "beside it");
        }
        let again = {
            let region = world.spaces[0].region(at).and_then(|r| r.object());
            region.expect("shared memory").0.test_and_clear(0..1)
        };
        let known = (again.accessed, again.dirty);
        assert_eq!(known, (readable, false), "{name}: accessed, written since");
        world.load(child, at).expect("it is there");
        assert_eq!(world.load(0, at), Ok(5 + child as u64), "{name}: contents");
        world.store(0, at, 77).expect("it is there");
        assert_eq!(world.load(child, at), Ok(77), "{name}: still shared");
        let region = world.spaces[0].region(at).and_then(|r| r.object());
        let used = region.expect("shared memory").0.test_and_clear(0..1);
        assert_eq!(used, all(2, true, true), "{name}: in use again");
        for p in [0, child] {
            assert_eq!(world.store(p, at, 78), Ok(()), "{name}: process {p}");
        }
        world.audit(true);
        world.end();
    }
}

/// What the owner does while another hart takes all pages of its objects out.
type Change = fn(&mut World, u64) -> u64;

fn changes() -> [(&'static str, Change); 8] {
    [
        ("fork", |w, at| {
            w.fork(0).expect("memory");
            at
        }),
        ("a table of its own", |w, at| {
            w.store(0, OWN, 1).expect("memory");
            at
        }),
        ("fork and exit", |w, at| {
            let child = w.fork(0).expect("memory");
            w.spaces.remove(child);
            at
        }),
        ("exit", |w, at| {
            w.spaces.truncate(1);
            at
        }),
        ("mremap", |w, at| {
            let behind = at + 4 * PAGE;
            let fixed = PRIVATE | MapFlags::FIXED;
            w.space().mmap(behind, PAGE, RW, fixed).expect("memory");
            let moved = w.space().mremap(at, 4 * PAGE, 5 * PAGE, true);
            let moved = moved.expect("memory");
            w.space().munmap(behind, PAGE).expect("memory");
            moved
        }),
        ("mprotect", |w, at| {
            w.space()
                .mprotect(at, 4 * PAGE, Prot::READ)
                .expect("memory");
            at
        }),
        ("dontneed", |w, at| {
            let given = w.space().madvise(at, 3 * PAGE, Advice::DontNeed);
            given.expect("memory");
            at
        }),
        ("munmap", |w, at| {
            w.space().munmap(at + 3 * PAGE, PAGE).expect("memory");
            at
        }),
    ]
}

/// In each round, hart 1 takes all pages out while hart 0 changes the space; then none is mapped anywhere.
#[test]
fn nothing_is_mapped_whatever_the_owner_does_meanwhile() {
    const ROUNDS: usize = 400;
    let mut world = reader();
    let mut at = world
        .space()
        .mmap(BASE, 4 * PAGE, RW, SHARED)
        .expect("room");
    // It leads hart 1 to the object.
    let witness = world.fork(0).expect("memory");
    let witness = world.spaces.remove(witness);
    let shared = witness.region(at).and_then(|r| r.object());
    let shared = shared.expect("shared memory").0;
    let (file, ram) = (world.file(1).object, world.ram.clone());
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            go_to(1);
            for round in 0..ROUNDS {
                start.wait();
                (0..round * 37 % 2000).for_each(|_| spin_loop());
                if round % 3 == 0 {
                    shared.write_protect(0..5);
                }
                shared.unmap(0..5);
                file.unmap(0..PAGES);
                end.wait();
            }
        });
        for round in 0..ROUNDS {
            let (name, change) = changes()[round % 8];
            world.space().mprotect(at, 3 * PAGE, RW).expect("memory");
            for page in 0..PAGES {
                world.load(0, page * PAGE).expect("memory");
            }
            for page in 0..3 {
                world.store(0, at + page * PAGE, page).expect("memory");
            }
            if world.spaces[0].region(at + 3 * PAGE).is_none() {
                at = world
                    .space()
                    .mremap(at, 3 * PAGE, 4 * PAGE, true)
                    .expect("room");
            }
            start.wait();
            (0..round * 53 % 3000).for_each(|_| spin_loop());
            at = change(&mut world, at);
            end.wait();
            let frames = (0..PAGES).filter_map(|index| world.frame_of(1, index));
            let frames = frames.collect::<Vec<_>>().into_iter();
            let shared = (0..5).filter_map(|index| Some(shared.find(index)?.frame.pfn()));
            for pfn in frames.chain(shared) {
                assert!(
                    ram.is_unique(pfn),
                    "{name}, round {round}: {pfn:?} is mapped"
                );
                assert_eq!(entries(&world, pfn), 0, "{name}, round {round}: {pfn:?}");
            }
            ram.check_tlbs();
            for space in &world.spaces {
                check_numbers(space, &survey(&ram, space.root()), ram.zero_page());
            }
            if world.spaces.len() > 3 {
                world.spaces.truncate(2);
            }
        }
    });
    assert_eq!(witness.resident(), 1, "what it has of its own");
    drop(witness);
    world.audit(true);
    world.end();
}
