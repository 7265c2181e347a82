//! The crate's walker against the test's MMU, which is another reading of the same chapter: every
//! entry that can be, at every level, whether the crate would make it or not.

use crate::mapping::PRIVATE;
use crate::mmu::reach;
use crate::world::{PAGE, RW, World};
use abi::{MMAP_BASE, MapFlags, Prot};
use frames::Pfn;
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Machine};

const AT: u64 = MMAP_BASE + 5 * PAGE;
const RIGHTS: [(Access, Prot); 3] = [
    (Access::Read, Prot::READ),
    (Access::Write, Prot::WRITE),
    (Access::Execute, Prot::EXEC),
];

/// The tables on the way to `AT`, from the leaf up.
fn tables(world: &World) -> [Pfn; 3] {
    let root = world.spaces[0].root();
    let next = |table, shift| {
        let entry = world.ram.words(table)[(AT >> shift) as usize % 512].load(Relaxed);
        Pfn::new((entry >> 10) as u32)
    };
    let middle = next(root, 30);
    [next(middle, 21), middle, root]
}

/// How many of the 256 combinations of the lower bits allow a read, a write and a fetch.
fn granted(world: &World, level: usize, frame: Pfn, high: u64) -> [usize; 3] {
    let root = world.spaces[0].root();
    let table = tables(world)[level];
    let slot = &world.ram.words(table)[(AT >> (12 + 9 * level)) as usize % 512];
    let saved = slot.load(Relaxed);
    let mut counts = [0; 3];
    for bits in 0..256 {
        slot.store(high | u64::from(frame.get()) << 10 | bits, Relaxed);
        let said = world.spaces[0].translate(AT);
        for (n, (access, right)) in RIGHTS.into_iter().enumerate() {
            world.ram.leave();
            let reached = reach(&world.ram, root, AT, access);
            let said = said
                .filter(|said| said.1.contains(right))
                .map(|said| said.0);
            assert_eq!(
                said, reached,
                "{access:?} by entry bits {bits:#010b} at level {level}, high bits {high:#x}"
            );
            counts[n] += usize::from(reached.is_some());
        }
    }
    slot.store(saved, Relaxed);
    world.ram.leave();
    counts
}

#[test]
fn both_readings_of_every_entry_agree() {
    let mut world = World::with_space(600);
    // All frames up to number 512 are in use, most of them full of zeroes.
    let flags = PRIVATE | MapFlags::POPULATE;
    let mapped = world.space().mmap(0, 520 * PAGE, RW, flags);
    assert_eq!(mapped, Ok(MMAP_BASE));
    // Frame 0 of the machine is a multiple of a gigabyte, and of zeroes if it is taken for a table.
    let frame = world.ram.zero_page();
    for level in 0..3 {
        // V, U and A must be set, and R unless only X is; a write takes W and D; G never counts.
        assert_eq!(
            granted(&world, level, frame, 0),
            [16, 4, 12],
            "level {level}"
        );
        for high in (54..64).map(|bit| 1 << bit) {
            let counts = granted(&world, level, frame, high);
            assert_eq!(counts, [0; 3], "reserved {high:#x}, level {level}");
        }
        let next = frame.plus(1);
        let counts = granted(&world, level, next, 0);
        let expected = if level == 0 { [16, 4, 12] } else { [0; 3] };
        assert_eq!(counts, expected, "the next frame, level {level}");
    }
    let aligned = frame.plus(512);
    assert_eq!(granted(&world, 1, aligned, 0), [16, 4, 12], "2 MiB");
    assert_eq!(granted(&world, 2, aligned, 0)[0], 0, "not a gigabyte");
    world.audit(false);
    world.end();
}

#[test]
fn a_large_page_shows_the_frame_inside_it() {
    let mut world = World::with_space(16);
    let space = world.space();
    space.mmap(0, 8 * PAGE, RW, PRIVATE).expect("room");
    world.store(0, MMAP_BASE, 1).expect("writable");
    let frame = world.ram.zero_page();
    for level in [1, 2] {
        let table = tables(&world)[level];
        let slot = &world.ram.words(table)[(AT >> (12 + 9 * level)) as usize % 512];
        let saved = slot.load(Relaxed);
        slot.store(u64::from(frame.get()) << 10 | 0xdf, Relaxed);
        for page in [0, 5, 511] {
            let at = MMAP_BASE + page * PAGE;
            let expected = Some((frame.plus(page as u32), Prot::all()));
            assert_eq!(world.spaces[0].translate(at + 9), expected, "page {page}");
        }
        slot.store(saved, Relaxed);
    }
    world.end();
}
