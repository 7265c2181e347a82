//! `munmap`.

use crate::area::{Area, PRIVATE, RW, SHARED, munmap, refused};
use crate::place::FAR;
use abi::{MAXVA, MapFlags, PAGE_SIZE, Prot, USER_TOP};
use harness::{Outcome, Test, available, cost, dies, ends_with, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::format;
use ulib::string::String;
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "unmapped-faults" = unmapped_faults,
    "unmap-parts" = unmap_parts,
    "unmap-several" = unmap_several,
    "unmap-with-holes" = unmap_with_holes,
    "unmap-odd-length" = unmap_odd_length,
    "unmap-nothing" = unmap_nothing,
    "unmap-refused" = unmap_refused,
    "unmap-spares-the-program" = unmap_refuses_program_memory,
    "unmap-gives-back-at-once" = gives_back_at_once,
    "unmap-gives-tables-back" = gives_tables_back,
    "no-old-data" = no_old_data;
    slow:;
};

/// Checks that no page is accessible.
fn gone(area: Area, what: &str) -> Outcome {
    for page in 0..area.pages {
        let at = area.at(page);
        dies(what, || peek(at))?;
        // SAFETY: not ours any more, so it must kill the process.
        dies(what, || unsafe { poke(at, 1) })?;
    }
    Ok(())
}

fn unmapped_faults() -> Outcome {
    let area = Area::map_at(FAR, 3, RW, PRIVATE)?;
    area.fill(1);
    dies("reading past a mapping", || peek(area.end()))?;
    dies("reading before a mapping", || peek(area.base - 1))?;
    area.unmap()?;
    gone(area, "touching unmapped memory")
}

/// Cuts parts out of a mapping: they are gone and can be mapped again, and the rest stays.
fn unmap_parts() -> Outcome {
    const PAGES: usize = 8;
    let cases: [(&str, &[(usize, usize)]); 4] = [
        ("the front", &[(0, 2)]),
        ("the back", &[(6, 2)]),
        ("the middle", &[(3, 2)]),
        ("three parts", &[(0, 1), (7, 1), (3, 2)]),
    ];
    for (what, parts) in cases {
        for kind in [PRIVATE, SHARED] {
            let area = Area::map_at(FAR, PAGES, RW, kind)?;
            area.fill(5);
            for &(first, pages) in parts {
                area.part(first, pages).unmap()?;
            }
            let is_cut = |page: &usize| {
                let mut parts = parts.iter();
                parts.any(|&(first, pages)| (first..first + pages).contains(page))
            };
            for page in (0..PAGES).filter(|page| !is_cut(page)) {
                let kept = format!("a byte beside {what}");
                area.part(page, 1).holds(5, &kept)?;
            }
            for page in (0..PAGES).filter(is_cut) {
                gone(area.part(page, 1), &format!("touching {what}, unmapped"))?;
                let flags = kind | MapFlags::FIXED_NOREPLACE;
                let new = Area::map_at(area.at(page), 1, RW, flags)?;
                new.holds(0, &format!("a byte mapped again in {what}"))?;
            }
            area.unmap()?;
        }
    }
    Ok(())
}

fn unmap_several() -> Outcome {
    let areas: Vec<Area> = (0..4)
        .map(|_| Area::private(2))
        .collect::<Result<_, String>>()?;
    areas.iter().for_each(|area| area.fill(6));
    let all = Area {
        base: areas[0].base,
        pages: 8,
    };
    expect_eq!(areas[3].base, all.at(6), "the fourth of neighbours");
    all.part(1, 6).unmap()?;
    all.part(0, 1).holds(6, "the byte before the hole")?;
    all.part(7, 1).holds(6, "the byte after the hole")?;
    gone(all.part(1, 6), "touching the hole")?;
    // A range with a hole can be unmapped.
    all.unmap()?;
    gone(all, "touching unmapped memory")
}

/// Several kinds of mappings with holes, by a range that starts and ends in holes.
fn unmap_with_holes() -> Outcome {
    let all = Area {
        base: FAR,
        pages: 20,
    };
    let before = available()?;
    for (first, prot, kind) in [
        (1, RW, PRIVATE),
        (5, Prot::READ, PRIVATE),
        (7, RW, SHARED),
        (12, Prot::empty(), PRIVATE),
        (16, RW, PRIVATE),
    ] {
        let area = Area::map_at(all.at(first), 2, prot, kind)?;
        if prot == RW {
            area.fill(1);
        }
    }
    all.unmap()?;
    gone(all, "touching unmapped memory")?;
    let after = available()?;
    expect!(
        after + 8 >= before,
        "all pages back, saw {before} before, {after} after"
    );
    refused(munmap(all.base, all.length()), "munmap for the second time")
}

/// The length is rounded up to whole pages.
fn unmap_odd_length() -> Outcome {
    let lengths = [
        (1, 1),
        (200, 1),
        (PAGE_SIZE - 1, 1),
        (PAGE_SIZE + 1, 2),
        (2 * PAGE_SIZE, 2),
    ];
    for (length, pages) in lengths {
        let area = Area::map_at(FAR, 4, RW, PRIVATE)?;
        area.fill(7);
        expect_eq!(munmap(area.base, length), 0, "munmap of {length} bytes");
        gone(area.part(0, pages), "touching unmapped pages")?;
        area.part(pages, 4 - pages).holds(7, "a byte after them")?;
        area.part(pages, 4 - pages).unmap()?;
    }
    Ok(())
}

fn unmap_nothing() -> Outcome {
    for at in [FAR, 0x7000_0000, USER_TOP as usize, MAXVA as usize, 1 << 63] {
        for length in [1, PAGE_SIZE, 100 * PAGE_SIZE] {
            let what = format!("munmap({at:#x}, {length}) where nothing is mapped");
            refused(munmap(at, length), &what)?;
        }
    }
    let area = Area::private(1)?;
    area.unmap()?;
    refused(munmap(area.base, PAGE_SIZE), "munmap for the second time")
}

fn unmap_refused() -> Outcome {
    let area = Area::map_at(FAR, 3, RW, PRIVATE)?;
    area.fill(1);
    for (at, length, what) in [
        (area.base + 1, PAGE_SIZE, "an unaligned address"),
        (area.at(1) - 1, PAGE_SIZE, "an unaligned address"),
        (area.base, 0, "no length"),
        (area.base, 1 << 63, "half of the address space"),
        (area.base, usize::MAX, "the whole address space"),
        (
            area.base,
            usize::MAX - area.base,
            "a range to the end of the address space",
        ),
        (area.base, MAXVA as usize, "a range past the user half"),
    ] {
        refused(munmap(at, length), &format!("munmap of {what}"))?;
    }
    area.holds(1, "a byte after refusals")?;
    area.unmap()
}

/// Text, stack and heap cannot be unmapped, not even with a mapping in the range.
fn unmap_refuses_program_memory() -> Outcome {
    let local = 7_u8;
    let heap = ulib::boxed::Box::new(8_u8);
    let text = unmap_refuses_program_memory as fn() -> Outcome as usize;
    let places = [
        (text, "text"),
        ((&raw const local) as usize, "the stack"),
        ((&raw const *heap) as usize, "the heap"),
    ];
    for (at, what) in places {
        let page = at & !(PAGE_SIZE - 1);
        refused(munmap(page, PAGE_SIZE), &format!("munmap of {what}"))?;
    }
    let area = Area::private(1)?;
    area.fill(9);
    refused(munmap(0, area.end()), "munmap of the program and a mapping")?;
    area.holds(9, "the mapping's byte")?;
    expect_eq!(peek((&raw const local) as usize), 7, "the stack's byte");
    expect_eq!(peek((&raw const *heap) as usize), 8, "the heap's byte");
    Ok(())
}

fn gives_back_at_once() -> Outcome {
    let taken = cost(
        || {
            let area = Area::private(200)?;
            area.fill(1);
            area.part(50, 100).unmap()?;
            Ok(area)
        },
        Area::unmap,
    )?;
    expect!(
        (100..110).contains(&taken),
        "100 pages and a few tables taken after half was unmapped, saw {taken}"
    );
    Ok(())
}

/// Empty page tables are freed too.
fn gives_tables_back() -> Outcome {
    let sparse = || {
        for gib in 1..40 {
            let area = Area::map_at(FAR + (gib << 30), 1, RW, PRIVATE)?;
            area.fill(1);
            area.unmap()?;
        }
        Ok(())
    };
    let taken = cost(sparse, Ok)?;
    expect!(taken <= 0, "nothing leaked, saw {taken} pages taken");
    Ok(())
}

fn no_old_data() -> Outcome {
    for round in 0..20 {
        let area = Area::private(100)?;
        area.holds(0, "a new byte")?;
        area.fill(0xaa);
        area.unmap()?;
        // Nor must another process.
        ends_with(0, "looking for old data", || {
            let seen = Area::private(100).and_then(|area| {
                area.holds(0, "another process's new byte")?;
                area.fill(0xbb);
                Ok(())
            });
            i32::from(seen.is_err())
        })
        .map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}
