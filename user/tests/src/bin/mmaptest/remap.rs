//! `mremap`: resizing and moving.

use crate::area::{Area, PRIVATE, RW, SHARED, mremap, refused};
use crate::place::FAR;
use abi::{MAXVA, MapFlags, PAGE_SIZE, Prot, RemapFlags, USER_TOP};
use harness::{Outcome, Test, cost, dies, ends_with, grow_touched, peek};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::{format, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "mremap-shrinks" = shrinks,
    "mremap-grows-in-place" = grows_in_place,
    "mremap-same-size" = same_size,
    "mremap-blocked" = blocked,
    "mremap-moves" = moves,
    "mremap-moves-without-copies" = moves_without_copies,
    "mremap-moves-part" = moves_part,
    "mremap-merged-neighbours" = merged_neighbours,
    "mremap-joins-what-follows" = joins_what_follows,
    "mremap-keeps-rights" = keeps_rights,
    "mremap-after-fork" = after_fork,
    "mremap-shared" = shared,
    "mremap-untouched" = untouched,
    "mremap-back-and-forth" = back_and_forth,
    "mremap-refused" = mremap_refused;
    slow:;
};

const STAY: RemapFlags = RemapFlags::empty();
const MOVE: RemapFlags = RemapFlags::MAYMOVE;

/// Maps pages from page `first` after `FAR`, each with its own byte.
fn numbered(first: usize, pages: usize) -> Result<Area, String> {
    let base = FAR + first * PAGE_SIZE;
    let area = Area::map_at(base, pages, RW, PRIVATE | MapFlags::FIXED_NOREPLACE)?;
    for page in 0..pages {
        area.part(page, 1).fill(page as u8 + 1);
    }
    Ok(area)
}

/// Checks that the area holds the bytes of numbered pages from `from` on.
fn holds_numbers(area: Area, from: usize, what: &str) -> Outcome {
    for page in 0..area.pages {
        area.part(page, 1).holds((from + page) as u8 + 1, what)?;
    }
    Ok(())
}

fn shrinks() -> Outcome {
    for flags in [STAY, MOVE] {
        let area = numbered(0, 8)?;
        let small = area.resize(3, flags)?;
        expect_eq!(small, area.part(0, 3), "the address");
        holds_numbers(small, 0, "a byte that stays")?;
        dies("reading past the new end", || peek(area.at(3)))?;
        dies("reading the old end", || peek(area.at(7)))?;
        let answer = mremap(small.base, 2 * PAGE_SIZE + 1, 1, flags);
        expect_eq!(answer, small.base as isize, "mremap of odd lengths");
        dies("reading past the last page", || peek(area.at(1)))?;
        small.part(0, 1).unmap()?;
    }
    Ok(())
}

fn grows_in_place() -> Outcome {
    for flags in [STAY, MOVE] {
        let area = numbered(0, 3)?;
        let big = area.resize(9, flags)?;
        expect_eq!(big.base, area.base, "the address");
        holds_numbers(area, 0, "a byte from before")?;
        big.part(3, 6).holds(0, "a new byte")?;
        big.fill(7);
        big.holds(7, "a byte of all")?;
        big.unmap()?;
    }
    Ok(())
}

fn same_size() -> Outcome {
    let area = numbered(0, 4)?;
    for flags in [STAY, MOVE] {
        expect_eq!(area.resize(4, flags)?, area, "the address");
        let middle = area.part(1, 2);
        expect_eq!(
            middle.resize(2, flags)?,
            middle,
            "the address of its middle"
        );
    }
    holds_numbers(area, 0, "a byte")
}

/// With a mapping after it, it cannot grow without MAYMOVE, and nothing changes.
fn blocked() -> Outcome {
    let area = numbered(0, 4)?;
    let other = Area::map_at(area.at(6), 1, Prot::READ, SHARED)?;
    refused(
        mremap(area.base, area.length(), 7 * PAGE_SIZE, STAY),
        "mremap into what follows",
    )?;
    holds_numbers(area, 0, "a byte after that")?;
    dies("reading past the old end", || peek(area.end()))?;
    let grown = area.resize(6, STAY)?;
    grown
        .part(4, 2)
        .holds(0, "a new byte right before the next")?;
    other.holds(0, "a byte of the next")
}

fn moves() -> Outcome {
    let area = numbered(0, 4)?;
    let other = Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
    let moved = area.resize(10, MOVE)?;
    crate::area::apart(moved, area)?;
    crate::area::apart(moved, other)?;
    holds_numbers(moved.part(0, 4), 0, "a byte that moved")?;
    moved.part(4, 6).holds(0, "a new byte")?;
    for page in 0..4 {
        dies("reading the old place", || peek(area.at(page)))?;
    }
    other.holds(0, "a byte of what was in the way")?;
    moved.fill(9);
    moved.holds(9, "a written byte")?;
    let again = numbered(0, 4)?;
    expect_eq!(again, area, "the old place, free again");
    moved.unmap()
}

fn moves_without_copies() -> Outcome {
    let taken = cost(
        || {
            let area = Area::map_at(FAR, 300, RW, PRIVATE)?;
            area.fill(1);
            let other = Area::map_at(area.end(), 1, Prot::empty(), PRIVATE)?;
            let moved = area.resize(400, MOVE)?;
            expect_moved(moved, area)?;
            Ok((moved, other))
        },
        |(moved, other)| {
            moved.part(0, 300).holds(1, "a byte that moved")?;
            moved.unmap()?;
            other.unmap()
        },
    )?;
    expect!(
        (300..310).contains(&taken),
        "300 pages and a few tables taken, saw {taken}"
    );
    Ok(())
}

fn expect_moved(moved: Area, from: Area) -> Outcome {
    expect!(moved.base != from.base, "another place, saw {moved:x?}");
    Ok(())
}

/// Moves a part of a mapping; the rest stays.
fn moves_part() -> Outcome {
    let area = numbered(0, 9)?;
    let moved = area.part(3, 3).resize(20, MOVE)?;
    crate::area::apart(moved, area)?;
    holds_numbers(moved.part(0, 3), 3, "a byte that moved")?;
    moved.part(3, 17).holds(0, "a new byte")?;
    holds_numbers(area.part(0, 3), 0, "a byte before the part")?;
    holds_numbers(area.part(6, 3), 6, "a byte after the part")?;
    dies("reading where the part was", || peek(area.at(4)))?;
    area.unmap()?;
    moved.unmap()
}

/// Adjacent equal mappings are one for mremap, however they were created.
fn merged_neighbours() -> Outcome {
    let (one, two) = (numbered(0, 3)?, numbered(3, 3)?);
    let both = Area {
        base: one.base,
        pages: 6,
    };
    // Both together grow in place.
    let grown = both.resize(8, STAY)?;
    expect_eq!(grown.base, both.base, "the address of both");
    holds_numbers(one, 0, "a byte of the first")?;
    holds_numbers(two, 0, "a byte of the second")?;
    grown.part(6, 2).holds(0, "a new byte")?;
    // The first alone is blocked by the second.
    refused(
        mremap(one.base, one.length(), 4 * PAGE_SIZE, STAY),
        "mremap of the first into the second",
    )?;
    let moved = one.resize(4, MOVE)?;
    crate::area::apart(moved, grown)?;
    holds_numbers(moved.part(0, 3), 0, "a byte of the first that moved")?;
    holds_numbers(two, 0, "a byte of the second that stayed")?;
    dies("reading where the first was", || peek(one.base))?;
    // It shrinks across the boundary of the two.
    let again = numbered(0, 3)?;
    let across = Area {
        base: again.at(1),
        pages: 4,
    };
    across.resize(1, STAY)?;
    holds_numbers(again.part(0, 2), 0, "a byte before the cut")?;
    dies("reading the end of the first", || peek(again.at(2)))?;
    dies("reading the start of the second", || peek(two.base))?;
    holds_numbers(two.part(2, 1), 2, "the rest of the second")
}

/// A mapping that grows up to the next merges with it.
fn joins_what_follows() -> Outcome {
    let (one, two) = (numbered(0, 2)?, numbered(5, 2)?);
    let grown = one.resize(5, STAY)?;
    let all = Area {
        base: grown.base,
        pages: 7,
    };
    let all = all.resize(9, STAY)?;
    holds_numbers(one, 0, "a byte of the first")?;
    grown.part(2, 3).holds(0, "a byte between")?;
    holds_numbers(two, 0, "a byte of the second")?;
    all.part(7, 2).holds(0, "a byte after")?;
    // Different protections do not merge.
    all.part(4, 1).protect(Prot::READ)?;
    let answer = mremap(all.base, all.length(), 20 * PAGE_SIZE, MOVE);
    refused(answer, "mremap of several kinds to more")?;
    let small = all.resize(3, STAY)?;
    dies("reading past the new end", || peek(all.at(6)))?;
    small.unmap()
}

fn keeps_rights() -> Outcome {
    for prot in [Prot::READ, Prot::empty(), RW] {
        let area = numbered(0, 2)?;
        let other = Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
        area.protect(prot)?;
        let moved = area.resize(4, MOVE)?;
        moved.permits(prot, "pages that moved")?;
        moved.protect(RW)?;
        holds_numbers(moved.part(0, 1), 0, "a byte that moved")?;
        moved.part(2, 2).holds(0, "a new byte")?;
        moved.unmap()?;
        other.unmap()?;
    }
    Ok(())
}

/// After fork, pages move on one side only.
fn after_fork() -> Outcome {
    let area = numbered(0, 4)?;
    Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
    ends_with(0, "moving a copy", || {
        let seen = area.resize(8, MOVE).and_then(|moved| {
            holds_numbers(moved.part(0, 4), 0, "the child's byte")?;
            moved.fill(99);
            Ok(())
        });
        i32::from(seen.is_err())
    })?;
    holds_numbers(area, 0, "the parent's byte")?;
    let child =
        harness::Kid::start(|| i32::from(holds_numbers(area, 0, "the child's byte").is_err()))?;
    let moved = area.resize(8, MOVE)?;
    moved.fill(98);
    child.ends_with(0, "a copy whose original moved")
}

fn shared() -> Outcome {
    let area = Area::map_at(FAR, 4, RW, SHARED)?;
    let other = Area::map_at(area.end(), 1, Prot::READ, PRIVATE)?;
    area.fill(1);
    let (tally, gate) = (harness::Tally::new()?, harness::Gate::new()?);
    let child = harness::Kid::start(|| {
        gate.pass();
        let seen = area.holds(2, "a byte written through the new place");
        area.part(0, 2).fill(3);
        tally.report(1);
        i32::from(seen.is_err())
    })?;
    let moved = area.resize(6, MOVE)?;
    expect_moved(moved, area)?;
    moved.part(0, 4).holds(1, "a byte from before")?;
    moved.fill(2);
    gate.open();
    child.ends_with(0, "sharing with what moved")?;
    moved.part(0, 2).holds(3, "the child's byte")?;
    moved.part(2, 4).holds(2, "the parent's byte")?;
    other.unmap()?;
    moved.unmap()
}

/// Untouched pages move too, and read as zero.
fn untouched() -> Outcome {
    let area = Area::map_at(FAR, 600, RW, PRIVATE)?;
    let other = Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
    area.put(3, 4);
    area.put(550, 5);
    area.part(100, 4).holds(0, "an untouched byte")?;
    let moved = area.resize(1300, MOVE)?;
    expect_moved(moved, area)?;
    for page in (0..1300).step_by(50) {
        let expected = if page == 550 { 5 } else { 0 };
        expect_eq!(moved.get(page), expected, "the byte of page {page}");
    }
    expect_eq!(moved.get(3), 4, "a byte written before");
    moved.unmap()?;
    other.unmap()
}

fn back_and_forth() -> Outcome {
    let mut area = numbered(0, 5)?;
    for round in 0..40 {
        // Blocked in place, it moves.
        let stop = Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
        let moved = area.resize(6 + round, MOVE)?;
        holds_numbers(moved.part(0, 5), 0, "a byte after moving")?;
        moved.part(5, 1 + round).holds(0, "a new byte")?;
        area = moved.resize(5, STAY)?;
        stop.unmap()?;
    }
    area.unmap()
}

fn mremap_refused() -> Outcome {
    let area = numbered(0, 4)?;
    area.part(2, 1).unmap()?;
    let one = PAGE_SIZE;
    let local = 0_u8;
    let stack = (&raw const local) as usize & !(PAGE_SIZE - 1);
    let text = mremap_refused as fn() -> Outcome as usize & !(PAGE_SIZE - 1);
    let heap = grow_touched(1)?;
    for flags in [STAY, MOVE] {
        for (at, old, new, what) in [
            (area.base + 1, one, 2 * one, "an unaligned address"),
            (area.base, 0, one, "no old length"),
            (area.base, one, 0, "no new length"),
            (
                area.base,
                3 * one,
                8 * one,
                "a range with a hole at its end",
            ),
            (area.base, 4 * one, one, "a range with a hole"),
            (area.at(2), one, 2 * one, "nothing"),
            (
                area.base,
                2 * one,
                MAXVA as usize,
                "more than the user half",
            ),
            (area.base, 2 * one, usize::MAX, "more than all"),
            (area.base, 2 * one, 1 << 63, "half of the address space"),
            (area.base, usize::MAX, one, "the whole address space"),
            (USER_TOP as usize, one, one, "an address past the user half"),
            (stack, one, 2 * one, "the stack"),
            (text, one, 2 * one, "text"),
            (heap, one, 2 * one, "the heap"),
        ] {
            let what = format!("mremap of {what} with {flags:?}");
            refused(mremap(at, old, new, flags), &what)?;
        }
    }
    for flags in [2, 4, 1 << 31, u32::MAX] {
        // SAFETY: the range is the test's own.
        let answer = unsafe { sys::mremap(area.base, one, 2 * one, flags) };
        refused(answer, &format!("mremap with flags {flags:#x}"))?;
    }
    holds_numbers(area.part(0, 2), 0, "a byte after refusals")?;
    holds_numbers(area.part(3, 1), 3, "a byte after the hole")
}
