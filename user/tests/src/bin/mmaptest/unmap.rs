//! Taking mappings away.

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
    "unmap-front" = unmap_front,
    "unmap-back" = unmap_back,
    "unmap-middle" = unmap_middle,
    "unmap-parts" = unmap_parts,
    "unmap-several" = unmap_several,
    "unmap-with-holes" = unmap_with_holes,
    "unmap-odd-length" = unmap_odd_length,
    "unmap-nothing" = unmap_nothing,
    "unmap-refused" = unmap_refused,
    "unmap-spares-the-program" = unmap_spares_the_program,
    "unmap-gives-back-at-once" = gives_back_at_once,
    "unmap-gives-tables-back" = gives_tables_back,
    "no-old-data" = no_old_data;
    slow:;
};

/// Checks that none of the pages can be read or written any more.
fn gone(area: Area, what: &str) -> Outcome {
    for page in 0..area.pages {
        let at = area.at(page);
        dies(what, || peek(at))?;
        // SAFETY: not ours any more, which must end the process.
        dies(what, || unsafe { poke(at, 1) })?;
    }
    Ok(())
}

fn unmapped_faults() -> Outcome {
    let area = Area::map_at(FAR, 3, RW, PRIVATE)?;
    area.fill(1);
    dies("reading behind a mapping", || peek(area.end()))?;
    dies("reading before a mapping", || peek(area.base - 1))?;
    area.unmap()?;
    gone(area, "touching what was unmapped")
}

fn unmap_front() -> Outcome {
    let area = Area::map_at(FAR, 6, RW, PRIVATE)?;
    area.fill(5);
    area.part(0, 2).unmap()?;
    gone(area.part(0, 2), "touching the front that was unmapped")?;
    area.part(2, 4).holds(5, "a byte behind the front")?;
    area.part(2, 4).unmap()
}

fn unmap_back() -> Outcome {
    let area = Area::map_at(FAR, 6, RW, PRIVATE)?;
    area.fill(5);
    area.part(4, 2).unmap()?;
    gone(area.part(4, 2), "touching the back that was unmapped")?;
    area.part(0, 4).holds(5, "a byte before the back")?;
    area.part(0, 4).unmap()
}

fn unmap_middle() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        let area = Area::map_at(FAR, 6, RW, kind)?;
        area.fill(5);
        area.part(2, 2).unmap()?;
        gone(area.part(2, 2), "touching the middle that was unmapped")?;
        area.part(0, 2).holds(5, "a byte before the middle")?;
        area.part(4, 2).holds(5, "a byte behind the middle")?;
        // The hole is free for others, and new.
        let new = Area::map_at(area.at(2), 2, RW, kind | MapFlags::FIXED_NOREPLACE)?;
        new.holds(0, "a byte of what fills the hole")?;
        area.unmap()?;
    }
    Ok(())
}

fn unmap_parts() -> Outcome {
    let area = Area::map_at(FAR, 8, RW, PRIVATE)?;
    area.fill(5);
    for (first, pages) in [(0, 1), (7, 1), (3, 2)] {
        area.part(first, pages).unmap()?;
    }
    for (first, pages) in [(0, 1), (3, 2), (7, 1)] {
        gone(area.part(first, pages), "touching a page cut out")?;
    }
    area.part(1, 2).holds(5, "a byte before the cut")?;
    area.part(5, 2).holds(5, "a byte behind the cut")?;
    area.part(1, 2).unmap()?;
    area.part(5, 2).unmap()
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
    all.part(7, 1).holds(6, "the byte behind the hole")?;
    gone(all.part(1, 6), "touching the hole")?;
    // A range with a hole in it goes as a whole.
    all.unmap()?;
    gone(all, "touching what is gone")
}

/// Mappings of several kinds and holes between them, with a range that begins and ends in holes.
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
    gone(all, "touching what is gone")?;
    let after = available()?;
    expect!(
        after + 8 >= before,
        "all pages back, saw {before} before, {after} after"
    );
    refused(munmap(all.base, all.length()), "munmap for the second time")
}

/// A length that is no multiple of the page counts its last page in full.
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
        gone(area.part(0, pages), "touching pages that were unmapped")?;
        area.part(pages, 4 - pages).holds(7, "a byte behind them")?;
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
        (area.base + 1, PAGE_SIZE, "an address within a page"),
        (area.at(1) - 1, PAGE_SIZE, "an address within a page"),
        (area.base, 0, "no length"),
        (area.base, 1 << 63, "half of all addresses"),
        (area.base, usize::MAX, "all addresses"),
        (area.base, usize::MAX - area.base, "a range up to the end"),
        (area.base, MAXVA as usize, "a range beyond the user half"),
    ] {
        refused(munmap(at, length), &format!("munmap of {what}"))?;
    }
    area.holds(1, "a byte after refusals")?;
    area.unmap()
}

/// Text, stack and heap cannot be unmapped, nor can a range with one of them and a mapping.
fn unmap_spares_the_program() -> Outcome {
    let local = 7_u8;
    let heap = ulib::boxed::Box::new(8_u8);
    let text = unmap_spares_the_program as fn() -> Outcome as usize;
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

/// Page tables without entries go with the pages.
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
    expect!(taken <= 0, "nothing left behind, saw {taken} pages taken");
    Ok(())
}

fn no_old_data() -> Outcome {
    for round in 0..20 {
        let area = Area::private(100)?;
        area.holds(0, "a new byte")?;
        area.fill(0xaa);
        area.unmap()?;
        // Another process must not see them either.
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
