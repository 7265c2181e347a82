//! Memory protection: what it allows, what it kills, and how it changes.

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

/// All distinct protections.
const PROTECTIONS: [Prot; 6] = [
    Prot::empty(),
    Prot::READ,
    RW,
    Prot::EXEC,
    RX,
    RW.union(Prot::EXEC),
];

/// A page with a function in it, then protected with `prot`.
fn page_with(prot: Prot, flags: abi::MapFlags) -> Result<Area, String> {
    let area = Area::map(1, RW, flags)?;
    area.put_code(7);
    area.protect(prot)?;
    Ok(area)
}

fn of_private_memory() -> Outcome {
    for prot in PROTECTIONS {
        page_with(prot, PRIVATE)?.permits(prot, "private memory")?;
    }
    page_with(Prot::WRITE, PRIVATE)?.permits(RW, "memory to be written")
}

fn of_shared_memory() -> Outcome {
    for prot in PROTECTIONS {
        page_with(prot, SHARED)?.permits(prot, "shared memory")?;
    }
    Ok(())
}

/// Protection set by `mmap`. Executing zeros is fatal anyway, so that is left out.
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
    dies("reading inaccessible memory", || peek(area.base))?;
    dies("reading across into inaccessible memory", || {
        // SAFETY: invalid, so it must kill the process.
        unsafe { ((area.base + PAGE_SIZE - 4) as *const u64).read_volatile() }
    })?;
    // SAFETY: invalid, so it must kill the process.
    dies("writing inaccessible memory", || unsafe {
        poke(area.base, 1)
    })?;
    // SAFETY: as above.
    dies("executing inaccessible memory", || unsafe {
        call(area.base)
    })
}

fn write_to_read_only() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        let area = Area::map(1, Prot::READ, kind)?;
        // Before and after the first read.
        for _ in 0..2 {
            // SAFETY: invalid, so it must kill the process.
            dies("writing to a read-only mapping", || unsafe {
                poke(area.base, 1)
            })?;
            area.holds(0, "a read-only byte")?;
        }
        area.protect(RW)?;
        area.fill(5);
        area.protect(Prot::READ)?;
        // SAFETY: as above.
        dies("writing to memory that became read-only", || unsafe {
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
        dies("executing data", || unsafe { call(area.base) })?;
    }
    Ok(())
}

fn read_of_code_only() -> Outcome {
    let area = page_with(Prot::EXEC, PRIVATE)?;
    // SAFETY: the function was put there.
    let answer = unsafe { call(area.base) };
    expect_eq!(answer, 7, "what the function gives");
    dies("reading execute-only memory", || peek(area.base))?;
    let out = sys::write(1, area.base as *const u8, 1);
    expect!(out == -1, "write from execute-only memory, saw {out}");
    Ok(())
}

/// From each protection to each other: removed permissions are gone at once, new ones work, the
/// contents stay.
fn each_to_each() -> Outcome {
    for from in PROTECTIONS {
        for to in PROTECTIONS {
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

/// One call over adjacent mappings of several kinds.
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
    all.part(5, 1).permits(RW, "the page after")?;
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
        area.part(pages, 3 - pages).permits(RW, "pages after")?;
    }
    Ok(())
}

fn mprotect_refused() -> Outcome {
    let area = Area::map_at(FAR, 2, RW, PRIVATE)?;
    area.fill(1);
    let top = USER_TOP as usize;
    for (at, length, what) in [
        (area.base + 1, PAGE_SIZE, "an unaligned address"),
        (area.base, 3 * PAGE_SIZE, "a range with a hole at its end"),
        (area.base - PAGE_SIZE, 2 * PAGE_SIZE, "a hole at its start"),
        (area.end(), PAGE_SIZE, "nothing"),
        (area.base, 1 << 63, "half of the address space"),
        (area.base, usize::MAX, "a range that wraps"),
        (area.base, MAXVA as usize, "a range past the user half"),
        (top, PAGE_SIZE, "an address past the user half"),
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
    area.part(4, 2).permits(RW, "pages after the hole")
}

/// Write permission does not bypass copy on write.
fn keeps_copies_apart() -> Outcome {
    let area = Area::private(4)?;
    area.fill(1);
    area.protect(Prot::READ)?;
    ends_with(0, "writing a copy with new permissions", || {
        let given = area.protect(RW);
        area.fill(2);
        i32::from(given.and_then(|()| area.holds(2, "a byte")).is_err())
    })?;
    area.holds(1, "the parent's byte")?;
    let child = harness::Kid::start(|| i32::from(area.holds(1, "the child's byte").is_err()))?;
    area.protect(RW)?;
    area.fill(3);
    child.ends_with(0, "reading a copy while the parent changes protection")?;
    area.holds(3, "the parent's new byte")
}

/// The zero page is never written, whatever the protection.
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
    area.part(4, 4)
        .holds(0, "a byte after all permissions were removed")?;
    area.part(4, 4).fill(9);
    other.holds(0, "a byte of another mapping, afterwards")?;
    area.holds(9, "a written byte")
}

fn costs_nothing() -> Outcome {
    let area = Area::private(300)?;
    area.fill(1);
    let taken = cost(
        || {
            for prot in PROTECTIONS {
                area.protect(prot)?;
            }
            area.protect(RW)?;
            area.fill(2);
            Ok(())
        },
        Ok,
    )?;
    expect_eq!(taken, 0, "pages taken by mprotect");
    expect_eq!(area.resident()?, 300, "resident pages");
    area.holds(2, "a byte")
}

/// A mapping split by protection merges again when all pieces are equal: its records are freed, and
/// one mremap resizes it all.
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
    expect!(taken <= 1, "no records leaked, saw {taken} pages taken");
    let grown = area.resize(1001, abi::RemapFlags::empty())?;
    grown.unmap()
}

/// Code is written, executed, rewritten and executed again.
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

/// The heap can be protected and still grows.
fn heap() -> Outcome {
    let base = grow_touched(6)?;
    let area = Area { base, pages: 6 };
    area.fill(1);
    area.part(2, 2).protect(Prot::READ)?;
    area.part(2, 2).permits(Prot::READ, "the heap's pages")?;
    area.part(5, 1).protect(Prot::empty())?;
    let more =
        mem::grow(3 * PAGE_SIZE).or_fail("grow the heap past an inaccessible page")? as usize;
    let more = Area {
        base: more,
        pages: 3,
    };
    more.fill(2);
    area.part(5, 1)
        .permits(Prot::empty(), "the inaccessible page")?;
    area.protect(RW)?;
    area.holds(1, "the heap's byte")?;
    more.holds(2, "a later byte of the heap")?;
    // SAFETY: the area and what follows are the test's own.
    unsafe { mem::sbrk(-(9 * PAGE_SIZE as isize)) }.or_fail("free it all")?;
    dies("reading freed heap", || peek(base))
}

/// Constants can be made writable; the file and other processes do not see it.
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
    // SAFETY: invalid, so it must kill the process.
    dies("writing to constants", || unsafe { poke(place, b'C') })
}
