//! Harts that run one space, while one of them, or another hart, changes it. The machine fails a test as
//! soon as a frame or table is freed that a TLB leads to (see `ram.rs`).

use crate::mapping::PRIVATE;
use crate::mmu::{go_to, reach_with};
use crate::world::{PAGE, RW, World};
use abi::{Advice, MMAP_BASE, MapFlags, Prot};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use vm::{Access, Fault, FaultError};

const BASE: u64 = MMAP_BASE;
const LARGE: u64 = 512 * PAGE;

/// A space with memory at [`BASE`], every page of which two harts have in their TLBs with all rights.
fn two_harts(pages: u64, flags: MapFlags) -> World {
    let mut world = World::with_space(1700);
    world.ram.use_asids(10);
    let mapped = world.space().mmap(0, pages * PAGE, RW, flags);
    assert_eq!(mapped, Ok(BASE));
    for hart in [0, 1] {
        go_to(hart);
        for page in 0..pages {
            let done = world.store(0, BASE + page * PAGE, page);
            assert_eq!(done, Ok(()), "page {page}");
        }
    }
    go_to(0);
    world
}

/// What hart 1, which goes on where it was, reads and whether it may write.
fn on_the_other(world: &mut World, page: u64) -> Found {
    go_to(1);
    let at = BASE + page * PAGE;
    let found = (world.load(0, at).ok(), world.store(0, at, 99).is_ok());
    go_to(0);
    found
}

type Change = fn(&mut World);
/// What is read, and whether a store is allowed.
type Found = (Option<u64>, bool);

/// Changes to sixteen pages, and what the other hart finds at the first one afterwards.
#[test]
fn the_other_hart_sees_each_change_at_once() {
    let cases: [(&str, Change, Found); 8] = [
        (
            "a page unmapped",
            |w| w.space().munmap(BASE, PAGE).expect("memory"),
            (None, false),
        ),
        (
            "all unmapped",
            |w| w.space().munmap(BASE, 16 * PAGE).expect("memory"),
            (None, false),
        ),
        ("read-only", |w| protect(w, Prot::READ), (Some(0), false)),
        ("no access", |w| protect(w, Prot::empty()), (None, false)),
        (
            "given back",
            |w| {
                let done = w.space().madvise(BASE, 4 * PAGE, Advice::DontNeed);
                done.expect("memory");
            },
            (Some(0), true),
        ),
        (
            "moved away",
            |w| {
                let moved = w.space().mremap(BASE, 16 * PAGE, 700 * PAGE, true);
                assert_ne!(moved.expect("room"), BASE);
            },
            (None, false),
        ),
        (
            "replaced",
            |w| {
                let flags = PRIVATE | MapFlags::FIXED;
                w.space()
                    .mmap(BASE, 2 * PAGE, Prot::READ, flags)
                    .expect("memory");
            },
            (Some(0), false),
        ),
        ("forked", |w| assert!(w.fork(0).is_ok()), (Some(0), true)),
    ];
    for (name, change, expected) in cases {
        let mut world = two_harts(16, PRIVATE);
        if name == "moved away" {
            // Nothing may be free behind it.
            let flags = PRIVATE | MapFlags::FIXED_NOREPLACE;
            let behind = world.space().mmap(BASE + 16 * PAGE, PAGE, RW, flags);
            assert!(behind.is_ok(), "{behind:?}");
        }
        change(&mut world);
        world.ram.check_tlbs();
        let found = on_the_other(&mut world, 0);
        assert_eq!(found, expected, "{name}");
        if name == "forked" {
            assert_eq!(world.load(1, BASE), Ok(0), "the child's is its own");
        }
        world.audit(false);
        world.end();
    }
}

fn protect(world: &mut World, prot: Prot) {
    let changed = world.space().mprotect(BASE, 16 * PAGE, prot);
    changed.expect("memory");
}

#[test]
fn a_copy_on_write_is_seen_by_the_other_hart() {
    let mut world = two_harts(4, PRIVATE);
    world.fork(0).expect("memory");
    go_to(1);
    assert_eq!(world.load(0, BASE), Ok(0), "the common frame");
    go_to(0);
    world.store(0, BASE, 7).expect("memory");
    go_to(1);
    assert_eq!(world.load(0, BASE), Ok(7), "the copy");
    go_to(0);
    assert_eq!(
        world.load(1, BASE),
        Ok(0),
        "the child keeps the first frame"
    );
    world.audit(false);
    world.end();
}

#[test]
fn large_pages_and_tables_go_from_both_harts() {
    let mut world = two_harts(512, PRIVATE | MapFlags::POPULATE);
    assert_eq!(world.spaces[0].stats().large, 1);
    assert_eq!(world.space().munmap(BASE + 8 * PAGE, PAGE), Ok(()), "split");
    world.ram.check_tlbs();
    assert_eq!(on_the_other(&mut world, 8), (None, false));
    assert_eq!(on_the_other(&mut world, 9), (Some(9), true));
    assert_eq!(world.space().munmap(BASE, LARGE), Ok(()));
    assert_eq!(on_the_other(&mut world, 9), (None, false));
    assert_eq!(world.ram.used(), 1, "the root is left");
    world.end();
}

#[test]
fn the_changer_need_not_run_the_space() {
    let mut world = two_harts(4, PRIVATE);
    world.ram.leave();
    assert_eq!(world.space().munmap(BASE, PAGE), Ok(()));
    world.ram.check_tlbs();
    assert_eq!(on_the_other(&mut world, 0), (None, false));
    // Hart 0 still has it under the ASID, and flushes when it is back.
    assert_eq!(world.load(0, BASE), Err(FaultError::Refused));
    assert_eq!(world.load(0, BASE + PAGE), Ok(1));
    world.end();
}

#[test]
fn a_space_that_is_active_nowhere_else_is_flushed_nowhere_else() {
    let mut world = two_harts(4, PRIVATE);
    go_to(1);
    world.ram.leave();
    let child = world.fork(0).expect("memory");
    assert_eq!(world.load(child, BASE), Ok(0));
    let reached = world.spaces[child].translate(BASE).map(|page| page.0);
    go_to(0);
    assert_eq!(world.space().munmap(BASE, 4 * PAGE), Ok(()));
    go_to(1);
    // Hart 1 has what it had of the child.
    assert!(world.ram.tlb().reaches(reached.expect("it was read")));
    go_to(0);
    world.end();
}

/// Harts that are threads: one loads and stores wherever it may, while the other maps, unmaps, takes rights
/// away, and forks. An access is a look into the TLB or a walk, and then the frame; a remote flush waits
/// for it, as it does on hardware.
#[test]
fn a_hart_that_walks_while_another_changes() {
    const ROUNDS: usize = 300;
    const PAGES: u64 = 40;
    let mut world = World::with_space(400);
    world.ram.use_asids(2);
    let mapped = world.space().mmap(0, PAGES * PAGE, RW, PRIVATE);
    assert_eq!(mapped, Ok(BASE));
    let (ram, root) = (world.ram.clone(), world.spaces[0].root());
    let (done, hits, start) = (AtomicBool::new(false), AtomicUsize::new(0), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            go_to(1);
            start.wait();
            while !done.load(Relaxed) {
                for page in 0..PAGES {
                    let at = BASE + page * PAGE;
                    let store = reach_with(&ram, root, at, Access::Write, |pfn| {
                        ram.words(pfn)[1].store(page, Relaxed);
                    });
                    let load = reach_with(&ram, root, at, Access::Read, |pfn| {
                        let found = ram.words(pfn)[1].load(Relaxed);
                        assert!(found == 0 || found == page, "page {page} shows {found}");
                    });
                    hits.fetch_add(usize::from(store.is_some() || load.is_some()), Relaxed);
                }
                ram.leave();
            }
        });
        start.wait();
        let mut round = 0;
        while round < ROUNDS || hits.load(Relaxed) < ROUNDS {
            round += 1;
            for page in 0..PAGES {
                let space = world.space();
                let faulted = space.fault(BASE + page * PAGE, Access::Write);
                assert_eq!(faulted, Ok(Fault::Done), "page {page}");
            }
            let (half, all) = (PAGES / 2 * PAGE, PAGES * PAGE);
            match round % 4 {
                0 => {
                    let child = world.fork(0).expect("memory");
                    world.spaces.remove(child);
                }
                1 => {
                    world
                        .space()
                        .mprotect(BASE, all, Prot::READ)
                        .expect("memory");
                    world.space().mprotect(BASE, all, RW).expect("memory");
                }
                2 => {
                    let given = world.space().madvise(BASE, half, Advice::DontNeed);
                    given.expect("memory");
                }
                _ => {
                    world.space().munmap(BASE, all).expect("memory");
                    let flags = PRIVATE | MapFlags::FIXED;
                    world.space().mmap(BASE, all, RW, flags).expect("memory");
                }
            }
        }
        done.store(true, Relaxed);
    });
    world.audit(false);
    world.end();
}
