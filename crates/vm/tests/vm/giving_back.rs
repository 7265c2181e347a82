//! Giving back parts of every kind of memory on a machine that has no frame and no record left.

use crate::alloc;
use crate::mapping::{FIXED, PRIVATE};
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use vm::Machine;

const SPAN: u64 = 512 * PAGE;
const BASE: u64 = MMAP_BASE;
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);

/// How the memory comes to be: the world, mapped from `BASE` for two spans.
type Kind = (&'static str, fn() -> World);

fn mapped(prot: Prot, flags: MapFlags) -> World {
    let mut world = World::with_space(3300);
    let at = world.space().mmap(BASE, 2 * SPAN, prot, flags);
    assert_eq!(at, Ok(BASE));
    world
}

/// Every page of `pages` has its number in it, plus one.
fn written(mut world: World, pages: std::ops::Range<u64>) -> World {
    for page in pages {
        world.store(0, BASE + page * PAGE, page + 1).expect("room");
    }
    world
}

fn small() -> World {
    // Not from its first page on, and so not large.
    written(mapped(RW, PRIVATE), 300..700)
}

fn large() -> World {
    let world = mapped(RW, PRIVATE | MapFlags::POPULATE);
    assert_eq!(world.spaces[0].stats().large, 2, "large pages");
    written(world, 0..1024)
}

fn forked(mut world: World, children: usize) -> World {
    for parent in 0..children {
        world.fork(parent).expect("memory");
    }
    world
}

fn protected(mut world: World, prot: Prot) -> World {
    let changed = world.space().mprotect(BASE, 2 * SPAN, prot);
    assert_eq!(changed, Ok(()));
    world
}

const KINDS: [Kind; 13] = [
    ("untouched", || mapped(RW, PRIVATE)),
    ("touched", small),
    ("large pages", large),
    ("shared tables", || forked(small(), 1)),
    ("shared tables of three", || forked(small(), 2)),
    ("shared large pages", || forked(large(), 1)),
    ("shared large pages of three", || forked(large(), 2)),
    ("shared large pages that a child has split", || {
        let mut world = forked(large(), 1);
        world.store(1, BASE, 1).expect("memory");
        world.store(1, BASE + SPAN, 513).expect("memory");
        world
    }),
    ("shared anonymous", || {
        forked(written(mapped(RW, SHARED), 300..700), 1)
    }),
    ("zeroes", || {
        let mut world = mapped(Prot::READ, PRIVATE | MapFlags::POPULATE);
        world.fork(0).expect("memory");
        world
    }),
    ("read-only large pages", || protected(large(), Prot::READ)),
    ("large pages without rights", || {
        forked(protected(large(), Prot::empty()), 1)
    }),
    ("tables without rights", || {
        forked(protected(small(), Prot::empty()), 1)
    }),
];

/// Ends of ranges that matter, in pages: borders of what was touched and of tables, and next to them.
const ENDS: [u64; 13] = [0, 1, 2, 299, 300, 301, 511, 512, 513, 699, 700, 1023, 1024];

/// Does `act` without a frame, and without a record.
fn starved<R>(world: &mut World, act: impl FnOnce(&mut World) -> R) -> R {
    let ram = world.ram.clone();
    let mut taken = vec![];
    while let Some(pfn) = ram.alloc() {
        taken.push(pfn);
    }
    let (result, _) = alloc::always_failing(|| act(world));
    taken.into_iter().for_each(|pfn| ram.release(pfn));
    result
}

/// Each side's pages are as before, but for those that `p` gave back.
fn check(world: &mut World, name: &str, before: &[Vec<Option<u64>>], p: usize, gone: &[u64]) {
    for (space, before) in before.iter().enumerate() {
        let now = contents(world, space);
        for page in 0..1024 {
            let known = before[page as usize];
            let expected = known.filter(|_| space != p || !gone.contains(&page));
            assert_eq!(
                now[page as usize], expected,
                "{name}: page {page} of {space}"
            );
        }
    }
}

/// The first word of each page that has a frame.
fn contents(world: &World, p: usize) -> Vec<Option<u64>> {
    let word = |page| {
        let addr = BASE + page * PAGE;
        let (pfn, _) = world.spaces[p].translate(addr)?;
        Some(world.ram.words(pfn)[0].load(std::sync::atomic::Ordering::Relaxed))
    };
    (0..1024).map(word).collect()
}

/// All ranges between the ends, and what gives back one of them.
fn sweep(name: &str, kind: fn() -> World, give: impl Fn(&mut World, usize, u64, u64)) {
    let sides = kind().spaces.len();
    for side in 0..sides {
        for (n, &from) in ENDS.iter().enumerate() {
            // Two ranges that begin here, so that it takes seconds.
            let last = ENDS.len() - 1;
            let ends = [n + 1, n + 3 + side].map(|end| end.min(last));
            for to in ends
                .map(|end| ENDS[end])
                .into_iter()
                .filter(|&to| to > from)
            {
                let mut world = kind();
                let before: Vec<_> = (0..sides).map(|p| contents(&world, p)).collect();
                starved(&mut world, |world| give(world, side, from, to));
                let gone: Vec<u64> = (from..to).collect();
                let hidden = name == "shared anonymous";
                let name = format!("{name}, {from}..{to}");
                check(&mut world, &name, &before, side, &gone);
                world.audit(hidden);
                world.end();
            }
        }
    }
}

#[test]
fn every_part_can_be_unmapped() {
    for (name, kind) in KINDS {
        sweep(name, kind, |world, p, from, to| {
            let len = (to - from) * PAGE;
            let done = world.spaces[p].munmap(BASE + from * PAGE, len);
            assert_eq!(done, Ok(()), "{name}: munmap of {from}..{to} by {p}");
        });
    }
}

#[test]
fn every_part_can_be_given_back() {
    for (name, kind) in KINDS {
        sweep(name, kind, |world, p, from, to| {
            let len = (to - from) * PAGE;
            let done = world.spaces[p].madvise(BASE + from * PAGE, len, Advice::DontNeed);
            assert_eq!(done, Ok(()), "{name}: DontNeed of {from}..{to} by {p}");
        });
    }
}

/// The last sharer may cut too, and all at the same time.
#[test]
fn all_sharers_cut_without_memory() {
    for (name, kind) in KINDS {
        let mut world = kind();
        let sides = world.spaces.len();
        starved(&mut world, |world| {
            for p in 0..sides {
                let done = world.spaces[p].munmap(BASE + 310 * PAGE, 300 * PAGE);
                assert_eq!(done, Ok(()), "{name}: munmap by {p}");
            }
        });
        world.audit(name == "shared anonymous");
        world.end();
    }
}

#[test]
fn the_heap_shrinks_without_memory() {
    for children in [0, 1, 2] {
        for filled in [false, true] {
            let mut world = World::with_space(3300);
            world.space().set_heap(BASE);
            world.space().sbrk(2 * SPAN as i64).expect("room");
            if filled {
                let done = world.space().madvise(BASE, 2 * SPAN, Advice::WillNeed);
                assert_eq!((done, world.spaces[0].stats().large), (Ok(()), 2));
            }
            let mut world = forked(written(world, 300..700), children);
            starved(&mut world, |world| {
                for p in 0..=children {
                    for pages in [1, 100, 500] {
                        let done = world.spaces[p].sbrk(-(pages * PAGE as i64));
                        assert!(done.is_ok(), "{done:?} by {p}, {pages} pages fewer");
                    }
                    world.spaces[p].set_heap(BASE);
                }
            });
            world.audit(false);
            world.end();
        }
    }
}

/// One cut out of the middle finds the spare record. The second fails and changes nothing, and with
/// memory the spare is there again.
#[test]
fn the_second_cut_needs_memory() {
    let mut world = small();
    let cut = |world: &mut World, page| world.space().munmap(BASE + page * PAGE, PAGE);
    starved(&mut world, |world| {
        assert_eq!(cut(world, 400), Ok(()), "the first");
        let before = world.spaces[0].stats();
        assert_eq!(cut(world, 410), Err(vm::Error::NoMemory), "the second");
        assert_eq!(world.spaces[0].stats(), before);
    });
    assert_eq!(cut(&mut world, 420), Ok(()), "with memory");
    starved(&mut world, |world| assert_eq!(cut(world, 430), Ok(())));
    world.audit(false);
    world.end();
}

/// What gives way to a mapping at a fixed place takes no frame.
#[test]
fn a_mapping_takes_the_place_of_a_part() {
    for (name, kind) in KINDS {
        let mut world = kind();
        let ram = world.ram.clone();
        let (done, fired) = ram.failing_after(0, || {
            world.space().mmap(BASE + 350 * PAGE, 300 * PAGE, RW, FIXED)
        });
        assert_eq!((done, fired), (Ok(BASE + 350 * PAGE), false), "{name}");
        world.audit(name == "shared anonymous");
        world.end();
    }
}

/// Spares go when what they are for is one space's alone again: all when it asks, each when it writes.
#[test]
fn spares_go_with_the_sharers() {
    for kind in [small, large] {
        let mut world = forked(kind(), 2);
        assert_eq!(world.spaces[0].page_table().deposits(), 2);
        world.exit(2);
        world.exit(1);
        world.store(0, BASE + 300 * PAGE, 1).expect("writable");
        assert_eq!(
            world.spaces[0].page_table().deposits(),
            1,
            "one was written"
        );
        world.space().trim();
        assert_eq!(world.spaces[0].page_table().deposits(), 0);
        world.audit(false);
        world.end();
    }
}
