//! Rights: what they allow, what ends the program, and how they change.

use crate::area::{Area, PRIVATE, RW, RX, SHARED, mprotect, refused};
use crate::place::FAR;
use abi::{MAXVA, PAGE_SIZE, Prot, USER_TOP};
use harness::{Expect, Outcome, Test, call, cost, dies, ends_with, grow_touched, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, mem, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "rights-of-private-memory" = of_private_memory,
    "rights-of-shared-memory" = of_shared_memory,
    "rights-of-untouched-memory" = of_untouched_memory,
    "fault-read-of-nothing" = read_of_nothing,
    "fault-write-to-read-only" = write_to_read_only,
    "fault-run-of-data" = run_of_data,
    "fault-read-of-code-only" = read_of_code_only,
    "mprotect-each-to-each" = each_to_each,
    "mprotect-part" = part,
    "mprotect-several" = several,
    "mprotect-odd-length" = odd_length,
    "mprotect-refused" = mprotect_refused,
    "mprotect-hole-changes-nothing" = hole_changes_nothing,
    "mprotect-keeps-copies-apart" = keeps_copies_apart,
    "mprotect-zero-page" = zero_page,
    "mprotect-costs-nothing" = costs_nothing,
    "mprotect-joins-again" = joins_again,
    "mprotect-code-and-back" = code_and_back,
    "mprotect-heap" = heap,
    "mprotect-constants" = constants;
    slow:;
};

/// All rights there are, without those that say the same.
const RIGHTS: [Prot; 6] = [
    Prot::empty(),
    Prot::READ,
    RW,
    Prot::EXEC,
    RX,
    RW.union(Prot::EXEC),
];

/// A page with a function in it and then these rights.
fn page_with(prot: Prot, flags: abi::MapFlags) -> Result<Area, String> {
    let area = Area::map(1, RW, flags)?;
    area.put_code(7);
    area.protect(prot)?;
    Ok(area)
}

fn of_private_memory() -> Outcome {
    for prot in RIGHTS {
        page_with(prot, PRIVATE)?.permits(prot, "private memory")?;
    }
    page_with(Prot::WRITE, PRIVATE)?.permits(RW, "memory to be written")
}

fn of_shared_memory() -> Outcome {
    for prot in RIGHTS {
        page_with(prot, SHARED)?.permits(prot, "shared memory")?;
    }
    Ok(())
}

/// Rights given with `mmap`; running zeroes ends the process as well, so that is left out.
fn of_untouched_memory() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        for prot in [Prot::empty(), Prot::READ, Prot::WRITE, RW] {
            Area::map(1, prot, kind)?.permits(prot, "untouched memory")?;
        }
    }
    Ok(())
}

fn read_of_nothing() -> Outcome {
    let area = Area::map(2, Prot::empty(), PRIVATE)?;
    dies("reading what has no rights", || peek(area.base))?;
    dies("reading across into what has no rights", || {
        // SAFETY: not allowed, which must end the process.
        unsafe { ((area.base + PAGE_SIZE - 4) as *const u64).read_volatile() }
    })?;
    // SAFETY: not allowed, which must end the process.
    dies("writing what has no rights", || unsafe {
        poke(area.base, 1)
    })?;
    // SAFETY: as above.
    dies("running what has no rights", || unsafe { call(area.base) })
}

fn write_to_read_only() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        let area = Area::map(1, Prot::READ, kind)?;
        // Before anything was read, and after.
        for _ in 0..2 {
            // SAFETY: not allowed, which must end the process.
            dies("writing to a read-only mapping", || unsafe {
                poke(area.base, 1)
            })?;
            area.holds(0, "a read-only byte")?;
        }
        area.protect(RW)?;
        area.fill(5);
        area.protect(Prot::READ)?;
        // SAFETY: as above.
        dies("writing to what became read-only", || unsafe {
            poke(area.base, 1)
        })?;
        area.holds(5, "a byte written before")?;
    }
    Ok(())
}

fn run_of_data() -> Outcome {
    for (prot, flags) in [
        (RW, PRIVATE),
        (RW, SHARED),
        (Prot::READ, PRIVATE),
        (Prot::READ, SHARED),
    ] {
        let area = page_with(prot, flags)?;
        // SAFETY: a harmless function is there, which must not run.
        dies("running data", || unsafe { call(area.base) })?;
    }
    Ok(())
}

fn read_of_code_only() -> Outcome {
    let area = page_with(Prot::EXEC, PRIVATE)?;
    // SAFETY: the function was put there.
    let answer = unsafe { call(area.base) };
    expect_eq!(answer, 7, "what the function gives");
    dies("reading what can only be run", || peek(area.base))?;
    let out = sys::write(1, area.base as *const u8, 1);
    expect!(out == -1, "write from what can only be run, saw {out}");
    Ok(())
}

/// From every set of rights to every other: what goes is gone at once, what comes works, and the
/// contents stay.
fn each_to_each() -> Outcome {
    for from in RIGHTS {
        for to in RIGHTS {
            let area = page_with(from, PRIVATE)?;
            area.protect(to)?;
            area.permits(to, &format!("from {from:?}"))?;
            area.protect(RX)?;
            // SAFETY: the function was put there.
            let answer = unsafe { call(area.base) };
            expect_eq!(answer, 7, "what the function gives after {from:?}, {to:?}");
            area.unmap()?;
        }
    }
    Ok(())
}

fn part() -> Outcome {
    let area = Area::private(7)?;
    area.fill(1);
    area.part(0, 1).protect(Prot::READ)?;
    area.part(3, 1).protect(Prot::empty())?;
    area.part(6, 1).protect(Prot::READ)?;
    for (page, prot) in [
        (0, Prot::READ),
        (1, RW),
        (3, Prot::empty()),
        (4, RW),
        (6, Prot::READ),
    ] {
        area.part(page, 1).permits(prot, "a part")?;
    }
    area.protect(RW)?;
    area.holds(1, "a byte after it all")?;
    area.fill(2);
    area.holds(2, "a byte written after it all")?;
    area.unmap()
}

/// One call for mappings of several kinds side by side.
fn several() -> Outcome {
    let all = Area {
        base: FAR,
        pages: 6,
    };
    for (first, prot, kind) in [(0, RW, PRIVATE), (2, Prot::READ, SHARED), (4, RW, SHARED)] {
        Area::map_at(all.at(first), 2, prot, kind)?;
    }
    all.part(1, 4).protect(Prot::empty())?;
    all.part(0, 1).permits(RW, "the page before")?;
    all.part(1, 4).permits(Prot::empty(), "the pages within")?;
    all.part(5, 1).permits(RW, "the page behind")?;
    all.protect(RW)?;
    all.fill(8);
    all.holds(8, "a byte")?;
    all.unmap()
}

fn odd_length() -> Outcome {
    let area = Area::private(3)?;
    for (length, pages) in [(0, 0), (1, 1), (PAGE_SIZE - 1, 1), (PAGE_SIZE + 1, 2)] {
        area.protect(RW)?;
        let answer = mprotect(area.base, length, Prot::empty());
        expect_eq!(answer, 0, "mprotect of {length} bytes");
        area.part(0, pages)
            .permits(Prot::empty(), "pages of the length")?;
        area.part(pages, 3 - pages).permits(RW, "pages behind")?;
    }
    Ok(())
}

fn mprotect_refused() -> Outcome {
    let area = Area::map_at(FAR, 2, RW, PRIVATE)?;
    area.fill(1);
    let top = USER_TOP as usize;
    for (at, length, what) in [
        (area.base + 1, PAGE_SIZE, "an address within a page"),
        (area.base, 3 * PAGE_SIZE, "a range with a hole at its end"),
        (area.base - PAGE_SIZE, 2 * PAGE_SIZE, "a hole at its start"),
        (area.end(), PAGE_SIZE, "nothing"),
        (area.base, 1 << 63, "half of all addresses"),
        (area.base, usize::MAX, "a range that wraps"),
        (area.base, MAXVA as usize, "a range beyond the user half"),
        (top, PAGE_SIZE, "what can never be"),
    ] {
        let answer = mprotect(at, length, Prot::empty());
        refused(answer, &format!("mprotect of {what}"))?;
    }
    for prot in [8, 16, 1 << 31, u32::MAX] {
        // SAFETY: not allowed, so it takes nothing away.
        let answer = unsafe { sys::mprotect(area.base, PAGE_SIZE, prot) };
        refused(answer, &format!("mprotect with {prot:#x}"))?;
    }
    area.permits(RW, "pages after refusals")?;
    area.holds(1, "a byte after refusals")
}

fn hole_changes_nothing() -> Outcome {
    let area = Area::private(6)?;
    area.fill(1);
    area.part(3, 1).unmap()?;
    let answer = mprotect(area.base, area.length(), Prot::empty());
    refused(answer, "mprotect over a hole")?;
    area.part(0, 3).permits(RW, "pages before the hole")?;
    area.part(4, 2).permits(RW, "pages behind the hole")
}

/// A page shared after a fork is not written through new rights.
fn keeps_copies_apart() -> Outcome {
    let area = Area::private(4)?;
    area.fill(1);
    area.protect(Prot::READ)?;
    ends_with(0, "writing a copy with new rights", || {
        let given = area.protect(RW);
        area.fill(2);
        i32::from(given.and_then(|()| area.holds(2, "a byte")).is_err())
    })?;
    area.holds(1, "the parent's byte")?;
    let child = harness::Kid::start(|| i32::from(area.holds(1, "the child's byte").is_err()))?;
    area.protect(RW)?;
    area.fill(3);
    child.ends_with(0, "reading a copy while the parent gets rights")?;
    area.holds(3, "the parent's new byte")
}

/// The page that all untouched memory shows is never written, whatever rights come.
fn zero_page() -> Outcome {
    let (area, other) = (Area::map(8, Prot::READ, PRIVATE)?, Area::private(8)?);
    area.holds(0, "an untouched byte")?;
    other.holds(0, "an untouched byte of another mapping")?;
    area.protect(RW)?;
    area.part(0, 4).fill(9);
    area.part(4, 4).holds(0, "a byte of the next page")?;
    other.holds(0, "a byte of another mapping")?;
    area.protect(Prot::empty())?;
    area.protect(RW)?;
    area.part(4, 4).holds(0, "a byte after all rights went")?;
    area.part(4, 4).fill(9);
    other.holds(0, "a byte of another mapping, afterwards")?;
    area.holds(9, "a written byte")
}

fn costs_nothing() -> Outcome {
    let area = Area::private(300)?;
    area.fill(1);
    let taken = cost(
        || {
            for prot in RIGHTS {
                area.protect(prot)?;
            }
            area.protect(RW)?;
            area.fill(2);
            Ok(())
        },
        Ok,
    )?;
    expect_eq!(taken, 0, "pages taken by changing rights");
    expect_eq!(area.resident()?, 300, "pages with a frame");
    area.holds(2, "a byte")
}

/// Cutting a mapping in many pieces and giving all the same rights again leaves one mapping: what
/// the pieces took comes back, and one call resizes it all.
fn joins_again() -> Outcome {
    let area = Area::map_at(FAR, 1000, RW, PRIVATE)?;
    area.put(0, 1);
    let taken = cost(
        || {
            for page in (1..1000).step_by(2) {
                area.part(page, 1).protect(Prot::READ)?;
            }
            for page in (1..1000).step_by(2) {
                area.part(page, 1).protect(RW)?;
            }
            Ok(())
        },
        Ok,
    )?;
    expect!(
        taken <= 1,
        "no records left behind, saw {taken} pages taken"
    );
    let grown = area.resize(1001, abi::RemapFlags::empty())?;
    grown.unmap()
}

/// Code is written, run, written anew and run again.
fn code_and_back() -> Outcome {
    let area = Area::private(2)?;
    for number in 1..50 {
        area.protect(RW)?;
        area.put_code(number);
        area.protect(RX)?;
        for page in 0..2 {
            // SAFETY: the function was put there, and `mprotect` made it visible.
            let answer = unsafe { call(area.at(page)) };
            expect_eq!(answer, number as usize, "what function {number} gives");
        }
    }
    Ok(())
}

/// The heap's pages have rights like all others; the heap goes on growing.
fn heap() -> Outcome {
    let base = grow_touched(6)?;
    let area = Area { base, pages: 6 };
    area.fill(1);
    area.part(2, 2).protect(Prot::READ)?;
    area.part(2, 2).permits(Prot::READ, "the heap's pages")?;
    area.part(5, 1).protect(Prot::empty())?;
    let more = mem::grow(3 * PAGE_SIZE).or_fail("grow the heap behind a closed page")? as usize;
    let more = Area {
        base: more,
        pages: 3,
    };
    more.fill(2);
    area.part(5, 1).permits(Prot::empty(), "the closed page")?;
    area.protect(RW)?;
    area.holds(1, "the heap's byte")?;
    more.holds(2, "a later byte of the heap")?;
    // SAFETY: the area and what follows are the test's own.
    unsafe { mem::sbrk(-(9 * PAGE_SIZE as isize)) }.or_fail("give it all back")?;
    dies("reading the heap that was given back", || peek(base))
}

/// A program may write to its constants when it says so; the file and others do not see it.
fn constants() -> Outcome {
    static CONSTANT: [u8; 8] = *b"constant";
    let place = CONSTANT.as_ptr() as usize;
    let page = Area {
        base: place & !(PAGE_SIZE - 1),
        pages: 1,
    };
    let bytes = || -> Vec<u8> { (0..8).map(|i| peek(place + i)).collect() };
    ends_with(0, "writing to constants", || {
        let given = page.protect(RW);
        // SAFETY: it is the child's own copy now, and only `peek` looks at it.
        unsafe { poke(place, b'C') };
        i32::from(given.is_err() || bytes() != b"Constant")
    })?;
    expect_eq!(bytes(), b"constant", "the parent's constant");
    // SAFETY: not allowed, which must end the process.
    dies("writing to constants", || unsafe { poke(place, b'C') })
}
