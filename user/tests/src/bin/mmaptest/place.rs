//! Placement and length of mappings.

use crate::area::{Area, PRIVATE, RW, apart, mmap, refused};
use abi::{MAXVA, MMAP_BASE, MapFlags, PAGE_SIZE, Prot, USER_TOP};
use harness::random::Random;
use harness::{Outcome, Test, available, dies, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::format;
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "zeroed" = zeroed,
    "aligned" = aligned,
    "hint-taken" = hint_taken,
    "hint-rounded" = hint_rounded,
    "hint-occupied" = hint_occupied,
    "hint-absurd" = hint_absurd,
    "length-rounded" = length_rounded,
    "length-absurd" = length_absurd,
    "lowest-gap" = lowest_gap,
    "any-order" = any_order,
    "top-of-the-user-half" = top_of_the_user_half,
    "lazy" = lazy;
    slow:;
};

/// An address far from mappings without a hint.
pub(crate) const FAR: usize = MMAP_BASE as usize + (1 << 33);

fn zeroed() -> Outcome {
    let area = Area::private(64)?;
    for at in area.base..area.end() {
        expect_eq!(peek(at), 0, "a new byte at {at:#x}");
    }
    area.unmap()
}

fn aligned() -> Outcome {
    let lengths = [1, 100, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 40_965];
    for length in lengths {
        let base = mmap(0, length, RW, PRIVATE);
        expect_eq!(base % PAGE_SIZE as isize, 0, "{base:#x} within its page");
        expect!(
            base >= MMAP_BASE as isize,
            "an address from {MMAP_BASE:#x} on, saw {base:#x}"
        );
    }
    Ok(())
}

fn hint_taken() -> Outcome {
    let area = Area::map_at(FAR, 3, RW, PRIVATE)?;
    expect_eq!(area.base, FAR, "the address with a free hint");
    area.fill(1);
    area.unmap()
}

fn hint_rounded() -> Outcome {
    let area = Area::map_at(FAR + 123, 1, RW, PRIVATE)?;
    expect_eq!(area.base % PAGE_SIZE, 0, "{area:x?} within its page");
    expect!(
        area.base.abs_diff(FAR) <= PAGE_SIZE,
        "a page beside {FAR:#x}, saw {area:x?}"
    );
    Ok(())
}

fn hint_occupied() -> Outcome {
    let first = Area::map_at(FAR, 4, RW, PRIVATE)?;
    first.fill(1);
    for hint in [first.base, first.at(1), first.base - PAGE_SIZE] {
        let other = Area::map_at(hint, 2, RW, PRIVATE)?;
        apart(first, other)?;
        other.holds(0, "a new byte")?;
        other.fill(2);
    }
    first.holds(1, "the occupant's byte")
}

/// Hints at text, heap, stack and outside the user half are ignored, not errors.
fn hint_absurd() -> Outcome {
    let local = 0_u8;
    let heap = ulib::boxed::Box::new(0_u8);
    let occupied = [
        PAGE_SIZE,
        (&raw const local) as usize,
        (&raw const *heap) as usize,
    ];
    let impossible = [USER_TOP as usize, MAXVA as usize, 1 << 63, usize::MAX - 100];
    for hint in occupied.into_iter().chain(impossible) {
        let area = Area::map_at(hint, 1, RW, PRIVATE)?;
        let page = hint & !(PAGE_SIZE - 1);
        expect!(area.base != page, "another place than {hint:#x}");
        area.holds(0, "a new byte")?;
    }
    Ok(())
}

fn length_rounded() -> Outcome {
    let base = mmap(0, PAGE_SIZE + 1, RW, PRIVATE);
    expect!(base != -1, "a mapping, saw -1");
    let area = Area {
        base: base as usize,
        pages: 2,
    };
    area.fill(1);
    area.holds(1, "a byte past the length, in its page")?;
    dies("reading past the last page", || peek(area.end()))
}

fn length_absurd() -> Outcome {
    let lengths = [
        0,
        MAXVA as usize,
        1 << 62,
        1 << 63,
        usize::MAX,
        usize::MAX - PAGE_SIZE,
    ];
    for length in lengths {
        for hint in [0, MMAP_BASE as usize, MMAP_BASE as usize + PAGE_SIZE] {
            for flags in [MapFlags::empty(), PRIVATE, PRIVATE | MapFlags::FIXED] {
                refused(
                    mmap(hint, length, RW, flags),
                    &format!("mmap({hint:#x}, {length:#x}, {flags:?})"),
                )?;
            }
        }
    }
    Ok(())
}

fn lowest_gap() -> Outcome {
    let page = |pages| Area::private(pages).map(|area| area.base);
    let (first, second, third) = (page(1)?, page(3)?, page(1)?);
    expect!(
        first < second && second < third,
        "rising addresses, saw {first:#x} {second:#x} {third:#x}"
    );
    Area {
        base: second,
        pages: 3,
    }
    .unmap()?;
    let big = page(4)?;
    expect!(
        big > third,
        "a mapping too big for the gap after {third:#x}, saw {big:#x}"
    );
    expect_eq!(page(2)?, second, "the first gap that is big enough");
    expect_eq!(page(1)?, second + 2 * PAGE_SIZE, "the rest of that gap");
    Area {
        base: first,
        pages: 1,
    }
    .unmap()?;
    expect_eq!(page(1)?, first, "the lowest gap");
    Ok(())
}

fn any_order() -> Outcome {
    let mut random = Random::new(3);
    let mut live: Vec<(Area, u8)> = Vec::new();
    for round in 0..600_usize {
        if live.len() < 20 || random.below(2) == 0 && live.len() < 100 {
            let area = Area::private(1 + random.below(8))?;
            area.holds(0, "a new byte")?;
            area.fill(round as u8);
            live.push((area, round as u8));
        } else {
            let (area, byte) = live.swap_remove(random.below(live.len()));
            area.holds(byte, "a byte of one of many mappings")?;
            area.unmap()?;
        }
    }
    live.into_iter().try_for_each(|(area, _)| area.unmap())
}

/// The highest user page works, and none above it.
fn top_of_the_user_half() -> Outcome {
    let flags = PRIVATE | MapFlags::FIXED;
    let top = USER_TOP as usize;
    let area = Area::map_at(top - 2 * PAGE_SIZE, 2, RW, flags)?;
    area.fill(3);
    area.holds(3, "a byte of the highest pages")?;
    for page in 0..3 {
        let at = top + page * PAGE_SIZE;
        refused(mmap(at, PAGE_SIZE, RW, flags), "mmap past the user half")?;
        dies("reading past the user half", || peek(at))?;
        // SAFETY: nothing can be there.
        dies("writing past the user half", || unsafe { poke(at, 1) })?;
    }
    refused(
        mmap(top - PAGE_SIZE, 2 * PAGE_SIZE, RW, flags),
        "mmap across the end of the user half",
    )?;
    area.holds(3, "a byte of the highest pages, afterwards")?;
    area.unmap()
}

/// Mappings cost nothing until touched.
fn lazy() -> Outcome {
    let before = available()?;
    let pages = (8 << 30) / PAGE_SIZE;
    let areas = [
        Area::map(pages, RW, PRIVATE)?,
        Area::map(pages, RW, PRIVATE | MapFlags::NORESERVE)?,
        Area::map(pages, RW, crate::area::SHARED)?,
        Area::map(pages, Prot::empty(), PRIVATE)?,
    ];
    let after = available()?;
    expect!(
        before - after.min(before) < 20,
        "no pages taken, saw {before} before, {after} after"
    );
    for area in &areas[..3] {
        for page in (0..pages).step_by(pages / 8) {
            area.part(page, 1).fill(9);
            area.part(page, 1).holds(9, "a byte of a big mapping")?;
        }
    }
    areas.into_iter().try_for_each(Area::unmap)
}
