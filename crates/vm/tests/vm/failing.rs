//! Every operation with the nth frame, then the nth record, failing, for every n.

use crate::alloc::failing_after;
use crate::mapping::{FIXED, PRIVATE};
use crate::world::{PAGE, RW, RX, World, regions};
use abi::{MMAP_BASE, MapFlags, Prot};
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Error, FaultError, RegionKind, Stats};

const BASE: u64 = MMAP_BASE;

/// What a process can tell of its space, and what the kernel can.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    regions: Vec<(u64, u64, Prot, RegionKind)>,
    stats: Stats,
    brk: u64,
    used: usize,
    contents: Vec<(u64, u64)>,
}

pub(crate) fn snapshot(world: &World) -> Snapshot {
    let space = &world.spaces[0];
    let pages = space
        .regions()
        .flat_map(|r| r.range().step_by(4096).take(16));
    let word = |page| {
        space
            .translate(page)
            .map(|(pfn, _)| world.ram.words(pfn)[0].load(Relaxed))
    };
    Snapshot {
        regions: regions(space),
        stats: space.stats(),
        brk: space.brk(),
        used: world.ram.used() - world.cached_pages(),
        contents: pages.filter_map(|page| Some((page, word(page)?))).collect(),
    }
}

/// A process with a bit of everything, some of it touched.
pub(crate) fn world() -> World {
    let mut world = World::with_space(64);
    world.map_file(0, PAGE, RX, (1, 0, PAGE)).expect("memory");
    world
        .map_file(PAGE, 3 * PAGE, RW, (1, PAGE, PAGE + 50))
        .expect("memory");
    let space = world.space();
    space.set_heap(8 * PAGE);
    space.mmap(BASE, 8 * PAGE, RW, PRIVATE).expect("memory");
    space
        .mmap(BASE + (1 << 31), 4 * PAGE, RW, PRIVATE)
        .expect("memory");
    for page in 0..8 {
        world
            .store(0, BASE + page * PAGE, page + 1)
            .expect("memory");
    }
    world.load(0, 0).expect("memory");
    for index in [1, 2] {
        world.cached(1, index).expect("memory");
    }
    world
}

/// As [`sweep_from`], in the world with a bit of everything.
pub(crate) fn sweep(
    name: &str,
    operation: impl Fn(&mut World) -> Result<(), Error>,
) -> (usize, usize) {
    sweep_from(world, name, operation)
}

/// Runs `operation` in a new world with each of its allocations failing in turn. Each time it must
/// say so, leave the world as it was, and work when tried again; or do without. Returns how many of them
/// make it fail.
pub(crate) fn sweep_from(
    world: impl Fn() -> World,
    name: &str,
    operation: impl Fn(&mut World) -> Result<(), Error>,
) -> (usize, usize) {
    let frames = sweep_with(&world, name, &operation, |world, skip| {
        let ram = world.ram.clone();
        ram.failing_after(skip, || operation(world))
    });
    let records = sweep_with(&world, name, &operation, |world, skip| {
        // Room for what only the tests allocate.
        world.spaces.reserve(4);
        failing_after(skip, || operation(world))
    });
    (frames, records)
}

fn sweep_with(
    world: &impl Fn() -> World,
    name: &str,
    operation: &impl Fn(&mut World) -> Result<(), Error>,
    failing: impl Fn(&mut World, usize) -> (Result<(), Error>, bool),
) -> usize {
    let mut failed = 0;
    for skip in 0.. {
        let mut world = world();
        let before = snapshot(&world);
        let (result, fired) = failing(&mut world, skip);
        if !fired {
            assert_eq!(result, Ok(()), "{name} with nothing failing");
            world.audit(true);
            world.end();
            return failed;
        }
        if result.is_ok() {
            world.audit(true);
            world.end();
            continue;
        }
        failed += 1;
        assert_eq!(
            result,
            Err(Error::NoMemory),
            "{name}, allocation {skip} failing"
        );
        assert_eq!(
            snapshot(&world),
            before,
            "{name}, allocation {skip} failing"
        );
        world.audit(false);
        assert_eq!(
            operation(&mut world),
            Ok(()),
            "{name} again after failure {skip}"
        );
        world.audit(true);
        world.end();
    }
    unreachable!("the loop has no end")
}

pub(crate) fn out_of_memory(error: FaultError) -> Error {
    match error {
        FaultError::OutOfMemory => Error::NoMemory,
        FaultError::Refused => Error::Invalid,
    }
}

pub(crate) fn touch(world: &mut World, addr: u64, access: Access) -> Result<(), Error> {
    // Not through the MMU, which allocates for the test.
    world.fault(0, addr, access).map_err(out_of_memory)
}

#[test]
fn mapping() {
    let mmap = |hint, len, prot, flags| {
        sweep("mmap", move |world| {
            world.space().mmap(hint, len, prot, flags).map(|_| ())
        })
    };
    assert_eq!(
        mmap(0, PAGE, Prot::READ, PRIVATE),
        (0, 1),
        "a new region: one record"
    );
    assert_eq!(mmap(BASE + 8 * PAGE, PAGE, RW, PRIVATE), (0, 1), "merged");
    assert_eq!(
        mmap(BASE + 2 * PAGE, PAGE, RW, FIXED),
        (0, 1),
        "in the middle of another"
    );
    assert_eq!(
        mmap(BASE, 20 * PAGE, Prot::READ, FIXED),
        (0, 1),
        "over another"
    );
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    assert_eq!(
        mmap(0, PAGE, RW, shared),
        (0, 5),
        "the object, its two lists, the window and the region"
    );
    let fixed = |world: &mut World| {
        world
            .space()
            .map_anonymous_fixed(6 * PAGE, PAGE, RW, RegionKind::Stack)
    };
    assert_eq!(sweep("map_anonymous_fixed", fixed), (0, 1));
    let file = |world: &mut World| world.map_file(6 * PAGE, PAGE, RX, (1, 0, PAGE));
    assert_eq!(sweep("map_file", file), (0, 2), "the window and the region");
}

#[test]
fn unmapping() {
    let munmap = |at, len| sweep("munmap", move |world| world.space().munmap(at, len));
    assert_eq!(
        munmap(BASE + 2 * PAGE, PAGE),
        (0, 0),
        "the middle: the spare record"
    );
    assert_eq!(munmap(BASE, PAGE), (0, 0), "the front");
    assert_eq!(munmap(BASE + 7 * PAGE, PAGE), (0, 0), "the back");
    assert_eq!(munmap(BASE, 8 * PAGE), (0, 0), "all");
    assert_eq!(
        munmap(BASE + 4 * PAGE, (1 << 31) - 2 * PAGE),
        (0, 0),
        "ends of two"
    );
}

#[test]
fn the_break() {
    let grow = |world: &mut World| world.space().sbrk(5 * PAGE as i64).map(|_| ());
    assert_eq!(sweep("sbrk", grow), (0, 1));
    let twice = |world: &mut World| -> Result<(), Error> {
        let grown = world.space().sbrk(2 * PAGE as i64)?;
        for delta in [PAGE as i64, -3 * PAGE as i64] {
            let (moved, fired) = failing_after(0, || world.space().sbrk(delta).is_ok());
            assert!(moved && !fired, "moving on by {delta} takes no record");
        }
        assert_eq!(world.spaces[0].brk(), grown);
        Ok(())
    };
    assert_eq!(twice(&mut world()), Ok(()));
}

#[test]
fn faults() {
    let fault = |addr, access| sweep("a fault", move |world| touch(world, addr, access));
    let far = BASE + (1 << 31);
    assert_eq!(fault(far, Access::Read), (2, 0), "zeroes: two tables");
    assert_eq!(fault(far, Access::Write), (3, 0), "two tables and a frame");
    assert_eq!(fault(PAGE, Access::Read), (0, 0), "a page of the cache");
    assert_eq!(fault(PAGE, Access::Write), (1, 0), "a copy");
    assert_eq!(
        fault(2 * PAGE, Access::Read),
        (1, 0),
        "the file's last page, a copy"
    );
    assert_eq!(fault(3 * PAGE, Access::Write), (1, 0), "behind the file");
}

#[test]
fn faults_in_shared_memory() {
    // The root, the memory's own tables, a page; the frames before the fault are not swept.
    for (pages, tables) in [(1, 0), (512, 0), (513, 1)] {
        for skip in 0.. {
            let mut world = World::with_space(64);
            let flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
            world
                .space()
                .mmap(0, pages * PAGE, RW, flags)
                .expect("memory");
            let before = snapshot(&world);
            let ram = world.ram.clone();
            let (result, fired) =
                ram.failing_after(skip, || touch(&mut world, BASE, Access::Write));
            if !fired {
                assert_eq!(result, Ok(()));
                assert_eq!(skip, 3 + tables, "frames for one of {pages} pages");
                world.end();
                break;
            }
            assert_eq!(
                result,
                Err(Error::NoMemory),
                "frame {skip} of {pages} pages"
            );
            assert_eq!(snapshot(&world), before, "frame {skip} of {pages} pages");
            world.audit(false);
            assert_eq!(world.store(0, BASE, 1), Ok(()));
            world.end();
        }
    }
}

#[test]
fn copies_on_write() {
    let forked_write = |world: &mut World| {
        if world.spaces.len() < 2 {
            world.fork(0)?;
        }
        touch(world, BASE, Access::Write)
    };
    for skip in 0.. {
        let mut world = world();
        world.fork(0).expect("memory");
        let before = snapshot(&world);
        let ram = world.ram.clone();
        let (result, fired) = ram.failing_after(skip, || forked_write(&mut world));
        if !fired {
            assert_eq!((result, skip), (Ok(()), 1), "one frame");
            break;
        }
        assert_eq!(result, Err(Error::NoMemory));
        assert_eq!(snapshot(&world), before);
        assert_eq!(world.load(1, BASE), Ok(1), "the child's view");
        assert_eq!(forked_write(&mut world), Ok(()));
        world.audit(false);
        world.end();
    }
}

#[test]
fn forking() {
    let (frames, records) = sweep("fork", |world| world.fork(0).map(|_| ()));
    assert_eq!(
        (frames, records),
        (5, 8),
        "frames for a root and four tables; four regions, a spare, two windows and the page table"
    );
}

#[test]
fn a_parent_whose_fork_failed_writes_in_place() {
    let mut world = world();
    let frame = world.spaces[0].translate(BASE).map(|t| t.0);
    let ram = world.ram.clone();
    let (result, _) = ram.failing_after(4, || world.fork(0));
    assert_eq!(result, Err(Error::NoMemory));
    let used = world.ram.used();
    assert_eq!(world.store(0, BASE, 50), Ok(()));
    assert_eq!(world.spaces[0].translate(BASE).map(|t| t.0), frame);
    assert_eq!(world.ram.used(), used);
    world.end();
}

#[test]
fn a_space_without_a_root() {
    let world = World::new(4);
    let ram = world.ram.clone();
    let (result, fired) = ram.failing_after(0, || vm::AddressSpace::new(ram.clone()).err());
    assert_eq!((result, fired), (Some(Error::NoMemory), true));
    world.end();
}
