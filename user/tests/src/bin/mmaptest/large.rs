//! Ranges of 2 MiB and more: large pages must be transparent.

use crate::area::{Area, PRIVATE, RW, SHARED};
use crate::place::FAR;
use abi::{Advice, MapFlags, PAGE_SIZE, Prot, RemapFlags};
use harness::random::Random;
use harness::{Gate, Kid, Outcome, Test, available, cost, dies, ends_with, peek, taken_since};
use harness::{expect, expect_eq, tests};
use ulib::string::String;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "large-all-bytes" = all_bytes,
    "large-populated" = populated,
    "large-unaligned" = unaligned,
    "large-unmap-a-page" = unmap_a_page,
    "large-protect-a-page" = protect_a_page,
    "large-fork-writes-a-page" = fork_writes_a_page,
    "large-dontneed-a-page" = dontneed_a_page,
    "large-replace-a-page" = replace_a_page,
    "large-moves" = moves,
    "large-shared" = shared,
    "large-gives-back" = gives_back,
    "large-random" = random;
    slow:;
};

/// Pages in 2 MiB.
const BLOCK: usize = 512;

/// An aligned area, written or populated.
fn blocks(count: usize, populate: bool) -> Result<Area, String> {
    let flags = if populate {
        PRIVATE | MapFlags::POPULATE
    } else {
        PRIVATE
    };
    let area = Area::map_at(FAR, count * BLOCK, RW, flags | MapFlags::FIXED_NOREPLACE)?;
    for page in 0..area.pages {
        area.put(page, number(page));
    }
    Ok(area)
}

/// The byte for a page.
fn number(page: usize) -> u8 {
    (page % 251) as u8 + 1
}

/// Checks all pages except `but`.
fn others_hold(area: Area, but: core::ops::Range<usize>, what: &str) -> Outcome {
    for page in (0..area.pages).filter(|page| !but.contains(page)) {
        expect_eq!(area.get(page), number(page), "page {page}, {what}");
    }
    Ok(())
}

fn all_bytes() -> Outcome {
    let area = Area::map_at(FAR, 2 * BLOCK, RW, PRIVATE)?;
    for page in [0, 100, BLOCK - 1, BLOCK, BLOCK + 300, 2 * BLOCK - 1] {
        area.part(page, 1).holds(0, "an untouched byte")?;
        area.part(page, 1).fill(1);
    }
    area.part(1, 99).holds(0, "a byte beside a written page")?;
    area.part(101, 400)
        .holds(0, "a byte beside a written page")?;
    area.fill(2);
    area.holds(2, "a byte of all")?;
    area.unmap()
}

fn populated() -> Outcome {
    let area = Area::map_at(FAR, 2 * BLOCK, RW, PRIVATE | MapFlags::POPULATE)?;
    expect_eq!(area.resident()?, 2 * BLOCK, "resident pages");
    let before = available()?;
    area.holds(0, "a new byte")?;
    area.fill(1);
    area.holds(1, "a written byte")?;
    let taken = taken_since(before)?;
    expect!(
        taken <= 0,
        "no pages taken after all were there, saw {taken}"
    );
    area.unmap()
}

/// An area that starts and ends in the middle of a large page.
fn unaligned() -> Outcome {
    for (first, pages) in [(1, 3 * BLOCK), (BLOCK - 1, 2 * BLOCK), (7, BLOCK)] {
        let base = FAR + first * PAGE_SIZE;
        let area = Area::map_at(base, pages, RW, PRIVATE | MapFlags::POPULATE)?;
        area.fill(1);
        area.holds(1, "a byte")?;
        dies("reading before it", || peek(area.base - 1))?;
        dies("reading past it", || peek(area.end()))?;
        area.unmap()?;
    }
    Ok(())
}

fn unmap_a_page() -> Outcome {
    for (first, count) in [
        (0, 1),
        (200, 1),
        (BLOCK - 1, 1),
        (BLOCK - 1, 2),
        (300, BLOCK),
    ] {
        let area = blocks(2, true)?;
        area.part(first, count).unmap()?;
        for page in [first, first + count - 1] {
            dies("reading an unmapped page", || peek(area.at(page)))?;
        }
        others_hold(area, first..first + count, "after the cut")?;
        area.unmap()?;
    }
    Ok(())
}

fn protect_a_page() -> Outcome {
    for prot in [Prot::READ, Prot::empty()] {
        for first in [0, 77, BLOCK - 1] {
            let area = blocks(1, true)?;
            let page = area.part(first, 1);
            page.protect(prot)?;
            page.permits(prot, "a page of a block")?;
            others_hold(area, first..first + 1, "beside a protected page")?;
            let next = area.part((first + 1) % BLOCK, 1);
            next.permits(RW, "the page beside it")?;
            area.protect(RW)?;
            others_hold(area, 0..0, "after the protection was restored")?;
            area.unmap()?;
        }
    }
    Ok(())
}

fn fork_writes_a_page() -> Outcome {
    let area = blocks(2, true)?;
    ends_with(0, "writing a page of a block", || {
        area.put(BLOCK + 9, 0);
        let seen = others_hold(area, BLOCK + 9..BLOCK + 10, "in the child");
        i32::from(seen.is_err() || area.get(BLOCK + 9) != 0)
    })?;
    others_hold(area, 0..0, "in the parent")?;
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        i32::from(others_hold(area, 0..0, "in the child").is_err())
    })?;
    for page in [0, BLOCK - 1, BLOCK] {
        area.put(page, 0);
    }
    gate.open();
    child.ends_with(0, "a block that the parent writes to")?;
    others_hold(area.part(1, BLOCK - 2), 0..BLOCK, "never")?;
    for page in 1..BLOCK - 1 {
        expect_eq!(area.get(page), number(page), "the parent's page {page}");
    }
    area.unmap()
}

fn dontneed_a_page() -> Outcome {
    let area = blocks(1, true)?;
    area.part(33, 2).advise(Advice::DontNeed)?;
    expect_eq!(area.resident()?, BLOCK - 2, "resident pages");
    area.part(33, 2).holds(0, "a byte after DONTNEED")?;
    others_hold(area, 33..35, "beside pages given back")?;
    area.advise(Advice::DontNeed)?;
    expect_eq!(area.resident()?, 0, "resident pages after all went");
    area.holds(0, "a byte after DONTNEED")?;
    area.unmap()
}

fn replace_a_page() -> Outcome {
    let area = blocks(1, true)?;
    let new = Area::map_at(area.at(100), 3, RW, SHARED | MapFlags::FIXED)?;
    new.holds(0, "a byte of what replaced some pages")?;
    new.fill(9);
    others_hold(area, 100..103, "beside what was replaced")?;
    new.holds(9, "a written byte")?;
    area.unmap()
}

/// Moves to an aligned place, to an unaligned one, and in parts.
fn moves() -> Outcome {
    for first in [0, 1, 300] {
        let area = blocks(2, true)?;
        let stop = Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
        let part = area.part(first, 2 * BLOCK - first);
        // Shifts the lowest free place.
        let shift = Area::private(first + 1)?;
        let moved = part.resize(3 * BLOCK, RemapFlags::MAYMOVE)?;
        for page in 0..part.pages {
            let seen = moved.get(page);
            expect_eq!(seen, number(first + page), "moved page {page}");
        }
        for page in 0..first {
            expect_eq!(area.get(page), number(page), "page {page} that stayed");
        }
        moved
            .part(part.pages, 3 * BLOCK - part.pages)
            .holds(0, "a new byte")?;
        dies("reading the old place", || peek(part.base))?;
        for area in [moved, shift, stop] {
            area.unmap()?;
        }
        if first > 0 {
            area.part(0, first).unmap()?;
        }
    }
    Ok(())
}

fn shared() -> Outcome {
    let flags = SHARED | MapFlags::POPULATE;
    let area = Area::map_at(FAR, 2 * BLOCK, RW, flags)?;
    expect_eq!(area.resident()?, 2 * BLOCK, "resident pages");
    area.fill(1);
    ends_with(0, "a large shared area", || {
        let seen = area.holds(1, "the parent's byte");
        area.part(500, 24).fill(2);
        let cut = area.part(0, 1).unmap();
        i32::from(seen.is_err() || cut.is_err())
    })?;
    area.part(0, 500).holds(1, "the parent's byte")?;
    area.part(500, 24).holds(2, "the child's byte")?;
    area.part(524, 500).holds(1, "the parent's byte after")?;
    area.unmap()
}

fn gives_back() -> Outcome {
    for populate in [false, true] {
        let taken = cost(|| blocks(3, populate), Area::unmap)?;
        expect!(
            (3 * BLOCK as i64..3 * BLOCK as i64 + 12).contains(&taken),
            "the area's pages and a few tables taken, saw {taken}"
        );
        let taken = cost(|| blocks(3, populate)?.unmap(), Ok)?;
        expect!(taken <= 0, "all pages back, saw {taken} taken");
    }
    Ok(())
}

/// Random calls on a large area, checked against an array.
fn random() -> Outcome {
    const PAGES: usize = 2 * BLOCK;
    let mut random = Random::new(0x2_1ace);
    let area = blocks(2, true)?;
    let mut expected: ulib::vec::Vec<Option<u8>> =
        (0..PAGES).map(|page| Some(number(page))).collect();
    for round in 0..150 {
        let first = random.below(PAGES);
        let count = 1 + random.below((PAGES - first).min([1, 8, BLOCK][round % 3]));
        let part = area.part(first, count);
        let range = first..first + count;
        let whole = expected[range.clone()].iter().all(Option::is_some);
        match random.below(5) {
            0 if expected[range.clone()].iter().any(Option::is_some) => {
                part.unmap()?;
                expected[range].fill(None);
            }
            1 => {
                let flags = PRIVATE | MapFlags::FIXED;
                let populate = [MapFlags::empty(), MapFlags::POPULATE][round % 2];
                Area::map_at(part.base, count, RW, flags | populate)?;
                expected[range].fill(Some(0));
            }
            2 if whole => {
                part.advise(Advice::DontNeed)?;
                expected[range].fill(Some(0));
            }
            3 if whole => {
                part.protect(Prot::READ)?;
                part.protect(RW)?;
            }
            _ => {
                for page in range {
                    if expected[page].is_some() {
                        area.put(page, round as u8);
                        expected[page] = Some(round as u8);
                    }
                }
            }
        }
        for (page, byte) in expected.iter().enumerate() {
            if let Some(byte) = byte {
                expect_eq!(area.get(page), *byte, "page {page} in round {round}");
            }
        }
    }
    let gone = expected.iter().position(Option::is_none);
    if let Some(page) = gone {
        dies("reading a page that was unmapped", || peek(area.at(page)))?;
    }
    area.unmap()
}
