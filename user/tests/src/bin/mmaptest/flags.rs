//! Flags of mmap, and refused calls.

use crate::area::{Area, PRIVATE, RW, RX, SHARED, mmap, refused};
use crate::place::FAR;
use abi::{MMAP_BASE, MapFlags, PAGE_SIZE, Prot, USER_TOP};
use harness::{Expect, Outcome, Test, available, cost, dies, peek};
use harness::{expect, expect_eq, tests};
use ulib::{format, fs, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "seeds-own-flags" = course_flags,
    "seeds-own-flags-ignore-protection" = course_flags_ignore_protection,
    "file-with-anonymous-ignored" = file_ignored,
    "fixed-replaces" = fixed_replaces,
    "fixed-replaces-several" = fixed_replaces_several,
    "fixed-refuses" = fixed_refuses,
    "fixed-spares-the-program" = fixed_refuses_program_memory,
    "fixed-noreplace" = fixed_noreplace,
    "populate" = populate,
    "populate-read-only" = populate_read_only,
    "populate-more-than-there-is" = populate_too_much,
    "noreserve" = noreserve,
    "flags-refused" = flags_refused,
    "protection-refused" = protection_refused,
    "file-mappings-refused" = file_mappings_refused,
    "refused-changes-nothing" = refused_changes_nothing;
    slow:;
};

fn raw(hint: usize, length: usize, prot: u32, flags: u32, fd: i32, offset: usize) -> isize {
    // SAFETY: the tests replace nothing but their own mappings.
    unsafe { sys::mmap(hint, length, prot, flags, fd, offset) }
}

/// The assignment's form: no flags, no file.
fn course_flags() -> Outcome {
    let base = raw(0, 3 * PAGE_SIZE, 3, 0, -1, 0);
    expect!(base != -1, "a mapping with flags 0, saw -1");
    let area = Area {
        base: base as usize,
        pages: 3,
    };
    area.holds(0, "a new byte")?;
    area.fill(1);
    area.holds(1, "a written byte")?;
    area.unmap()
}

fn course_flags_ignore_protection() -> Outcome {
    for prot in [0, 1, 2, 3, 4, 7] {
        let base = raw(0, PAGE_SIZE, prot, 0, -1, 0);
        expect!(base != -1, "a mapping with flags 0 and protection {prot}");
        let area = Area {
            base: base as usize,
            pages: 1,
        };
        area.fill(2);
        area.holds(2, "a written byte")?;
    }
    Ok(())
}

fn file_ignored() -> Outcome {
    for (fd, offset) in [(0, 0), (999, 0), (-5, PAGE_SIZE), (0, 77)] {
        let base = raw(0, PAGE_SIZE, RW.bits(), PRIVATE.bits(), fd, offset);
        expect!(base != -1, "file {fd} at {offset} to be ignored, saw -1");
        expect_eq!(peek(base as usize), 0, "the first byte");
    }
    Ok(())
}

fn fixed_replaces() -> Outcome {
    let area = Area::map_at(FAR, 8, RW, PRIVATE)?;
    area.fill(1);
    let before = available()?;
    let middle = area.part(3, 2);
    let new = Area::map_at(middle.base, 2, RW, PRIVATE | MapFlags::FIXED)?;
    expect_eq!(new, middle, "the mapping's address");
    let after = available()?;
    expect!(
        after + 1 >= before + 2,
        "two pages to come back, saw {before} before, {after} after"
    );
    new.holds(0, "a new byte")?;
    new.fill(2);
    area.part(0, 3).holds(1, "a byte before the new mapping")?;
    area.part(5, 3).holds(1, "a byte after the new mapping")?;
    let read_only = Area::map_at(area.base, 1, Prot::READ, PRIVATE | MapFlags::FIXED)?;
    read_only.permits(Prot::READ, "replaced by what can only be read")?;
    area.unmap()
}

/// Replaces the end of one mapping, a hole, a whole mapping, and the start of a third.
fn fixed_replaces_several() -> Outcome {
    let all = Area {
        base: FAR,
        pages: 16,
    };
    for (first, prot) in [(0, RW), (6, RX | Prot::WRITE), (10, RW)] {
        Area::map_at(all.at(first), 4, prot, PRIVATE | MapFlags::FIXED)?.fill(1);
    }
    let new = Area::map_at(all.at(2), 10, RW, SHARED | MapFlags::FIXED)?;
    new.holds(0, "a new byte")?;
    new.fill(2);
    all.part(0, 2).holds(1, "a byte before")?;
    all.part(12, 2).holds(1, "a byte after")?;
    dies("reading past it all", || peek(all.at(14)))?;
    all.unmap()
}

fn fixed_refuses() -> Outcome {
    let top = USER_TOP as usize;
    let places = [
        (FAR + 1, PAGE_SIZE, "an unaligned address"),
        (FAR + PAGE_SIZE - 1, PAGE_SIZE, "an unaligned address"),
        (FAR, 0, "no length"),
        (top, PAGE_SIZE, "a place past the user half"),
        (top - PAGE_SIZE, 2 * PAGE_SIZE, "the end of the user half"),
        (
            FAR,
            usize::MAX - FAR,
            "a range to the end of the address space",
        ),
        (FAR, usize::MAX, "a range that wraps"),
        (
            usize::MAX - PAGE_SIZE + 1,
            PAGE_SIZE,
            "the last page of all",
        ),
        (1 << 63, PAGE_SIZE, "the middle of the address space"),
    ];
    for flag in [MapFlags::FIXED, MapFlags::FIXED_NOREPLACE] {
        for (at, length, what) in places {
            let what = format!("mmap with {flag:?} at {what}");
            refused(mmap(at, length, RW, PRIVATE | flag), &what)?;
        }
    }
    Ok(())
}

/// Text, stack, guard and heap cannot be replaced.
fn fixed_refuses_program_memory() -> Outcome {
    let local = 7_u8;
    let heap = ulib::boxed::Box::new(8_u8);
    let places = [
        (
            fixed_refuses_program_memory as fn() -> Outcome as usize,
            "text",
        ),
        ((&raw const local) as usize, "the stack"),
        ((&raw const *heap) as usize, "the heap"),
    ];
    for (at, what) in places {
        for flag in [MapFlags::FIXED, MapFlags::FIXED_NOREPLACE] {
            let page = at & !(PAGE_SIZE - 1);
            refused(mmap(page, PAGE_SIZE, RW, PRIVATE | flag), what)?;
            refused(mmap(page, 64 * PAGE_SIZE, RW, SHARED | flag), what)?;
        }
    }
    expect_eq!(peek((&raw const local) as usize), 7, "the stack's byte");
    expect_eq!(peek((&raw const *heap) as usize), 8, "the heap's byte");
    Ok(())
}

fn fixed_noreplace() -> Outcome {
    for flags in [
        MapFlags::FIXED_NOREPLACE,
        MapFlags::FIXED_NOREPLACE | MapFlags::FIXED,
    ] {
        let area = Area::map_at(FAR, 4, RW, PRIVATE | flags)?;
        expect_eq!(area.base, FAR, "the address with {flags:?}");
        area.fill(1);
        for (first, pages) in [(0, 1), (0, 4), (3, 4), (1, 2)] {
            let part = area.part(first, pages);
            let answer = mmap(part.base, part.length(), RW, PRIVATE | flags);
            refused(answer, "mmap where something is")?;
        }
        let before = mmap(FAR - PAGE_SIZE, 2 * PAGE_SIZE, RW, PRIVATE | flags);
        refused(before, "mmap whose end is occupied")?;
        area.holds(1, "the occupant's byte")?;
        let behind = Area::map_at(area.end(), 1, RW, PRIVATE | flags)?;
        expect_eq!(behind.base, area.end(), "right after it");
        behind.unmap()?;
        area.unmap()?;
    }
    Ok(())
}

fn populate() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        let area = Area::map(40, RW, kind | MapFlags::POPULATE)?;
        expect_eq!(area.resident()?, 40, "resident pages with {kind:?}");
        area.holds(0, "a new byte")?;
        area.fill(1);
        area.holds(1, "a written byte")?;
        area.unmap()?;
        let taken = cost(|| Area::map(40, RW, kind | MapFlags::POPULATE), Area::unmap)?;
        expect!(
            (40..50).contains(&taken),
            "40 pages and a few tables taken, saw {taken}"
        );
    }
    Ok(())
}

/// Read-only memory is populated with the zero page, inaccessible memory not at all.
fn populate_read_only() -> Outcome {
    for prot in [Prot::READ, Prot::empty()] {
        let taken = cost(
            || Area::map(100, prot, PRIVATE | MapFlags::POPULATE),
            Area::unmap,
        )?;
        expect!(taken < 10, "tables alone for {prot:?}, saw {taken} pages");
    }
    let area = Area::map(4, Prot::READ, PRIVATE | MapFlags::POPULATE)?;
    area.holds(0, "a byte that can only be read")
}

/// The mapping stays, populated as far as memory allowed; no process is killed.
fn populate_too_much() -> Outcome {
    let all = available()? as usize;
    // First a small one, so that this program has touched all that it needs.
    for pages in [100, all + 4096] {
        let area = Area::map(pages, RW, PRIVATE | MapFlags::POPULATE)?;
        let first = area.part(0, 64).resident();
        area.unmap()?;
        expect_eq!(first?, 64, "resident pages at the start");
    }
    let after = available()?;
    expect!(
        after + 64 > all as u64,
        "all pages back, saw {all} before, {after} after"
    );
    Ok(())
}

fn noreserve() -> Outcome {
    let more = (available()? as usize) * 4;
    let area = Area::map(more, RW, PRIVATE | MapFlags::NORESERVE)?;
    area.put(more - 1, 5);
    expect_eq!(area.get(more - 1), 5, "the last page's byte");
    expect_eq!(area.get(0), 0, "the first page's byte");
    area.unmap()
}

fn flags_refused() -> Outcome {
    let anonymous = MapFlags::ANONYMOUS.bits();
    let kinds = [
        (anonymous, "neither shared nor private"),
        (PRIVATE.bits() | SHARED.bits(), "shared and private"),
        (anonymous | MapFlags::POPULATE.bits(), "POPULATE alone"),
        (MapFlags::FIXED.bits(), "FIXED alone"),
        (MapFlags::NORESERVE.bits(), "NORESERVE alone"),
        (PRIVATE.bits() | 1 << 30, "an unknown flag"),
        (PRIVATE.bits() | 1 << 31, "another unknown one"),
        (u32::MAX, "all flags"),
        (1 << 30, "nothing but an unknown flag"),
    ];
    for (flags, what) in kinds {
        for hint in [0, FAR] {
            let answer = raw(hint, PAGE_SIZE, RW.bits(), flags, -1, 0);
            refused(answer, &format!("mmap with {what}"))?;
        }
    }
    dies("reading unmapped memory", || peek(FAR))
}

fn protection_refused() -> Outcome {
    for prot in [8, 1 << 20, u32::MAX, RW.bits() | 16] {
        let answer = raw(0, PAGE_SIZE, prot, PRIVATE.bits(), -1, 0);
        refused(answer, &format!("mmap with protection {prot:#x}"))?;
    }
    Ok(())
}

fn file_mappings_refused() -> Outcome {
    fs::write("file", b"a file").or_fail("write a file")?;
    let file = fs::File::open("file").or_fail("open a file")?;
    for kind in [MapFlags::PRIVATE, MapFlags::SHARED] {
        for fd in [-1, 999, file.as_raw_fd()] {
            let answer = raw(0, PAGE_SIZE, Prot::READ.bits(), kind.bits(), fd, 0);
            refused(answer, &format!("mmap of file {fd} with {kind:?}"))?;
        }
    }
    Ok(())
}

/// A refused call does not change where the next mapping goes.
fn refused_changes_nothing() -> Outcome {
    let next = || -> Result<usize, ulib::string::String> {
        let area = Area::private(1)?;
        area.unmap()?;
        Ok(area.base)
    };
    let neighbour = Area::private(2)?;
    neighbour.fill(1);
    let (place, pages) = (next()?, available()?);
    flags_refused()?;
    fixed_refuses()?;
    protection_refused()?;
    expect_eq!(next()?, place, "the next mapping's address");
    expect!(
        available()? + 4 >= pages,
        "no pages taken, saw {pages} before, {} after",
        available()?
    );
    expect!(place >= MMAP_BASE as usize, "a place for mappings");
    neighbour.holds(1, "a byte of the mapping before")
}
