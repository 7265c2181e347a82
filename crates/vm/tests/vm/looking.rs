//! What a space tells of itself, against what one finds page by page.

use crate::mapping::PRIVATE;
use crate::random::Random;
use crate::world::{PAGE, RW, World};
use abi::{MMAP_BASE, MapFlags, Prot, TableEntry};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Machine, Usage};

/// By asking for each page.
fn counted(world: &World, p: usize, range: Range<u64>) -> Usage {
    let mut usage = Usage::default();
    for page in range.step_by(PAGE as usize) {
        match world.spaces[p].translate(page) {
            Some((pfn, _)) if pfn == world.ram.zero_page() => usage.zero += 1,
            Some((pfn, _)) => {
                usage.resident += 1;
                usage.shared += usize::from(!world.ram.is_unique(pfn));
            }
            None => {}
        }
    }
    usage
}

fn entries(world: &World, after: u64) -> Vec<TableEntry> {
    world.spaces[0].table_entries(after).collect()
}

/// A space with pages of all kinds on both sides of the border of a gigabyte, and its child.
fn scattered(random: &mut Random) -> (World, Range<u64>) {
    let mut world = World::with_space(4000);
    let start = MMAP_BASE + (1 << 30) - 700 * PAGE;
    let range = start..start + 1400 * PAGE;
    let flags = PRIVATE | MapFlags::FIXED;
    let mapped = world.space().mmap(start, 1400 * PAGE, RW, flags);
    assert_eq!(mapped, Ok(start));
    let touch = |world: &mut World, p: usize, random: &mut Random| {
        for _ in 0..300 {
            let page = start + random.below(1400) * PAGE;
            let access = match random.below(3) {
                0 => Access::Read,
                _ => Access::Write,
            };
            world.access(p, page, access).expect("memory");
        }
    };
    touch(&mut world, 0, random);
    world.fork(0).expect("memory");
    touch(&mut world, 0, random);
    touch(&mut world, 1, random);
    (world, range)
}

#[test]
fn usage_is_what_one_counts() {
    let mut random = Random::new(1);
    let (world, range) = scattered(&mut random);
    for p in 0..2 {
        let whole = world.spaces[p].usage(range.clone());
        assert_eq!(whole, counted(&world, p, range.clone()), "space {p}");
        assert_eq!(whole.resident, world.spaces[p].stats().resident);
        assert!(
            whole.shared > 0 && whole.zero > 0 && whole.shared < whole.resident,
            "pages of all kinds in space {p}, saw {whole:?}"
        );
        for _ in 0..50 {
            let cut = |random: &mut Random| range.start + random.below(1400) * PAGE;
            let (a, b) = (cut(&mut random), cut(&mut random));
            let part = a.min(b)..a.max(b);
            let seen = world.spaces[p].usage(part.clone());
            assert_eq!(seen, counted(&world, p, part.clone()), "part {part:#x?}");
        }
    }
    world.end();
}

#[test]
fn pages_without_rights_count() {
    let mut world = World::with_space(64);
    let start = world.space().mmap(0, 8 * PAGE, RW, PRIVATE).expect("room");
    for page in 0..5 {
        world.store(0, start + page * PAGE, 1).expect("memory");
    }
    world
        .space()
        .mprotect(start, 8 * PAGE, Prot::empty())
        .expect("a mapping");
    let usage = world.spaces[0].usage(start..start + 8 * PAGE);
    assert_eq!((usage.resident, usage.shared, usage.zero), (5, 0, 0));
    world.end();
}

#[test]
fn a_large_page_counts_in_full_and_in_parts() {
    let mut world = World::with_space(16);
    world.space().mmap(0, 8 * PAGE, RW, PRIVATE).expect("room");
    world.store(0, MMAP_BASE, 1).expect("memory");
    let root = world.spaces[0].root();
    let entry = world.ram.words(root)[(MMAP_BASE >> 30) as usize % 512].load(Relaxed);
    let middle = frames::Pfn::new((entry >> 10) as u32);
    let slot = &world.ram.words(middle)[(MMAP_BASE >> 21) as usize % 512];
    let saved = slot.load(Relaxed);
    // Any frame will do: nobody uses the page.
    slot.store(u64::from(root.get()) << 10 | 0xdf, Relaxed);
    for (pages, expected) in [(0..512, 512), (5..6, 1), (500..600, 12), (512..1024, 0)] {
        let range = MMAP_BASE + pages.start * PAGE..MMAP_BASE + pages.end * PAGE;
        let usage = world.spaces[0].usage(range);
        let seen = (usage.resident, usage.large);
        assert_eq!(seen, (expected, expected), "pages {pages:?}");
    }
    let listed = entries(&world, TableEntry::START);
    let levels: Vec<u32> = listed.iter().map(|entry| entry.level()).collect();
    assert_eq!(levels, [3, 2, 1], "levels with a large page");
    assert_eq!(listed[2].physical(), u64::from(root.get()) * PAGE);
    slot.store(saved, Relaxed);
    world.end();
}

#[test]
fn the_table_lists_as_a_whole_and_from_any_entry() {
    let mut random = Random::new(2);
    let (world, range) = scattered(&mut random);
    let all = entries(&world, TableEntry::START);
    let root = u64::from(world.spaces[0].root().get()) * PAGE;
    assert_eq!((all[0].level(), all[0].physical()), (3, root));
    let stats = world.spaces[0].stats();
    let usage = world.spaces[0].usage(range);
    let leaves = all.iter().filter(|entry| entry.level() == 0).count();
    assert_eq!(leaves, usage.resident + usage.zero, "entries of pages");
    assert_eq!(all.len() - leaves, stats.page_tables, "entries of tables");
    for (n, entry) in all.iter().enumerate() {
        if n % 7 == 0 || entry.level() > 0 {
            let rest = entries(&world, entry.place);
            assert!(rest == all[n + 1..], "behind {entry:x?}, entry {n}");
        }
    }
    for bits in 0..64 {
        let place = random.number() >> bits;
        let first = world.spaces[0].table_entries(place).next();
        let known = first.is_none_or(|first| all.contains(&first));
        assert!(known, "an entry of the table behind {place:#x}");
    }
    world.end();
}

#[test]
fn tables_and_large_pages_of_several_spaces_count_as_shared() {
    let mut world = World::with_space(1600);
    let (large, pages) = (MMAP_BASE, MMAP_BASE + 512 * PAGE);
    let flags = PRIVATE | MapFlags::POPULATE;
    let space = world.space();
    space.mmap(0, 512 * PAGE, RW, flags).expect("room");
    space.mmap(0, 100 * PAGE, RW, flags).expect("room");
    let shared = |world: &World, p: usize, start: u64| {
        let usage = world.spaces[p].usage(start..start + 512 * PAGE);
        (usage.resident, usage.shared, usage.large)
    };
    assert_eq!(shared(&world, 0, large), (512, 0, 512));
    assert_eq!(shared(&world, 0, pages), (100, 0, 0));
    world.fork(0).expect("memory");
    for p in 0..2 {
        assert_eq!(shared(&world, p, large), (512, 512, 512), "process {p}");
        assert_eq!(shared(&world, p, pages), (100, 100, 0), "process {p}");
    }
    world.store(1, large, 1).expect("memory");
    world.store(1, pages, 1).expect("memory");
    assert_eq!(
        shared(&world, 1, large),
        (512, 511, 0),
        "one page is its own"
    );
    assert_eq!(
        shared(&world, 1, pages),
        (100, 99, 0),
        "one page is its own"
    );
    world.exit(1);
    assert_eq!(shared(&world, 0, large), (512, 0, 512));
    assert_eq!(shared(&world, 0, pages), (100, 0, 0));
    world.end();
}
