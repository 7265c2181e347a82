//! `mprotect`, `madvise`, `mremap` and filling, with the nth allocation failing, for every n.

use crate::failing::{snapshot, sweep, touch, world};
use crate::mapping::PRIVATE;
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use vm::{Access, Error};

const BASE: u64 = MMAP_BASE;

/// Something that fills pages and tells where.
type Operation<'a> = &'a dyn Fn(&mut World) -> Result<u64, Error>;

#[test]
fn protecting() {
    let mprotect = |at, pages| {
        sweep("mprotect", move |world| {
            world.space().mprotect(at, pages * PAGE, Prot::READ)
        })
    };
    assert_eq!(mprotect(BASE, 8), (0, 0), "a whole region");
    assert_eq!(mprotect(BASE, 3), (0, 1), "the front");
    assert_eq!(mprotect(BASE + 6 * PAGE, 2), (0, 1), "the back");
    assert_eq!(mprotect(BASE + 2 * PAGE, 3), (0, 2), "the middle");
    assert_eq!(mprotect(2 * PAGE, 1), (0, 2), "the middle of a file");
    let heap = |world: &mut World| {
        world.space().sbrk(3 * PAGE as i64)?;
        world.space().mprotect(10 * PAGE, PAGE, Prot::READ)?;
        world.space().sbrk(PAGE as i64).map(|_| ())
    };
    let mut alone = world();
    assert_eq!(heap(&mut alone), Ok(()));
    let before = snapshot(&alone);
    let grow = crate::alloc::failing_after(0, || alone.space().sbrk(PAGE as i64));
    assert_eq!(grow, (Ok(12 * PAGE), false), "no record to grow on");
    assert_eq!(alone.space().sbrk(-(PAGE as i64)), Ok(13 * PAGE));
    assert_eq!(snapshot(&alone), before);
    alone.end();
}

#[test]
fn resizing() {
    let mremap = |at, old: u64, new: u64| {
        sweep("mremap", move |world| {
            let result = world.space().mremap(at, old * PAGE, new * PAGE, true);
            result.map(|_| ())
        })
    };
    assert_eq!(mremap(BASE, 8, 20), (0, 0), "growing in place");
    assert_eq!(mremap(BASE, 8, 2), (0, 0), "shrinking");
    assert_eq!(mremap(BASE, 5, 2), (0, 0), "shrinking in the middle");
    assert_eq!(mremap(BASE, 2, 3), (0, 1), "moving the front");
    assert_eq!(mremap(BASE + 2 * PAGE, 2, 3), (0, 1), "moving the middle");
    let wide = (1 << 31) / PAGE;
    assert_eq!(mremap(BASE, 2, wide), (2, 1), "moving to new tables");
    assert_eq!(mremap(BASE + PAGE, 2, wide), (2, 1), "and from the middle");
}

#[test]
fn advising() {
    let madvise = |pages, advice| {
        sweep("madvise", move |world| {
            world.space().madvise(BASE, pages * PAGE, advice)
        })
    };
    assert_eq!(madvise(8, Advice::DontNeed), (0, 0));
    assert_eq!(madvise(3, Advice::Free), (0, 0));
}

#[test]
fn filling_goes_as_far_as_frames_do() {
    let far = BASE + (1 << 31);
    let advise = |world: &mut World| {
        let done = world.space().madvise(far, 4 * PAGE, Advice::WillNeed);
        done.map(|()| far)
    };
    let map = |flags: MapFlags| {
        move |world: &mut World| {
            let flags = flags | MapFlags::POPULATE | MapFlags::FIXED_NOREPLACE;
            world.space().mmap(far + 4 * PAGE, 4 * PAGE, RW, flags)
        }
    };
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let operations: [(&str, Operation, usize); 3] = [
        ("WillNeed", &advise, 6),
        ("POPULATE", &map(PRIVATE), 6),
        ("POPULATE of shared memory", &map(shared), 6),
    ];
    for (name, operation, frames) in operations {
        for skip in 0.. {
            let mut world = world();
            let before = world.spaces[0].stats().resident;
            let ram = world.ram.clone();
            let (result, fired) = ram.failing_after(skip, || operation(&mut world));
            let at = result.unwrap_or_else(|error| panic!("{name}: {error:?} at frame {skip}"));
            world.audit(true);
            let filled = world.spaces[0].stats().resident - before;
            for page in 0..4 {
                assert_eq!(
                    world.store(0, at + page * PAGE, page),
                    Ok(()),
                    "{name}, {skip}"
                );
            }
            world.audit(true);
            world.end();
            if !fired {
                assert_eq!((skip, filled), (frames, 4), "{name}: frames, pages");
                break;
            }
            assert_eq!(
                filled,
                skip.saturating_sub(frames - 4),
                "{name}, frame {skip}"
            );
        }
    }
}

#[test]
fn shared_memory_that_grows() {
    // From an array, and from a level of tables below it, to two tables.
    for (pages, frames) in [(1, 4), (512, 4), (513, 3)] {
        for skip in 0.. {
            let mut world = World::with_space(64);
            let flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
            let space = world.space();
            space.mmap(0, pages * PAGE, RW, flags).expect("memory");
            world.store(0, BASE, 8).expect("memory");
            let grown = world.space().mremap(BASE, pages * PAGE, 600 * PAGE, false);
            assert_eq!(grown, Ok(BASE));
            let last = BASE + 599 * PAGE;
            let before = snapshot(&world);
            let ram = world.ram.clone();
            let work = || touch(&mut world, last, Access::Write);
            let (result, fired) = ram.failing_after(skip, work);
            if !fired {
                assert_eq!(
                    (result, skip),
                    (Ok(()), frames),
                    "frames from {pages} pages"
                );
                world.end();
                break;
            }
            assert_eq!(result, Err(Error::NoMemory), "{pages} pages, frame {skip}");
            assert_eq!(snapshot(&world), before, "{pages} pages, frame {skip}");
            assert_eq!(world.store(0, last, 9), Ok(()));
            assert_eq!((world.load(0, BASE), world.load(0, last)), (Ok(8), Ok(9)));
            world.end();
        }
    }
}
