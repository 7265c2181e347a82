//! `madvise` and `mincore`.

use crate::area::{Area, PRIVATE, RW, SHARED, madvise, refused};
use crate::place::FAR;
use abi::{Advice, MAXVA, PAGE_SIZE, Prot, USER_TOP};
use harness::{Expect, Outcome, Test, available, cost, dies, ends_with, grow_touched, peek};
use harness::{expect, expect_eq, tests};
use ulib::{format, mem, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "dontneed-zeros" = dontneed_zeros,
    "dontneed-gives-back" = dontneed_gives_back,
    "dontneed-part" = dontneed_part,
    "dontneed-in-a-child" = dontneed_in_a_child,
    "dontneed-heap" = dontneed_heap,
    "dontneed-keeps-rights" = dontneed_keeps_rights,
    "free-zeros" = free_zeros,
    "free-refuses-shared" = free_refuses_shared,
    "willneed-fills" = willneed_fills,
    "willneed-keeps" = willneed_keeps,
    "madvise-refused" = madvise_refused,
    "mincore-tells" = mincore_tells,
    "mincore-many" = mincore_many,
    "mincore-refused" = mincore_refused;
    slow:;
};

fn dontneed_zeros() -> Outcome {
    let area = Area::private(8)?;
    for round in 1..4 {
        area.fill(round);
        area.advise(Advice::DontNeed)?;
        expect_eq!(area.resident()?, 0, "resident pages");
        area.holds(0, "a byte after DONTNEED")?;
    }
    area.fill(9);
    area.holds(9, "a byte written after DONTNEED")?;
    area.unmap()
}

fn dontneed_gives_back() -> Outcome {
    for advice in [Advice::DontNeed, Advice::Free] {
        let taken = cost(
            || {
                let area = Area::private(300)?;
                area.fill(1);
                area.advise(advice)?;
                Ok(area)
            },
            Area::unmap,
        )?;
        expect!(
            taken <= 4,
            "pages back at once with {advice:?}, saw {taken} taken"
        );
    }
    Ok(())
}

fn dontneed_part() -> Outcome {
    let area = Area::private(9)?;
    area.fill(1);
    for (at, length, first, pages) in [
        (1, PAGE_SIZE, 1, 1),
        (4, 1, 4, 1),
        (6, 2 * PAGE_SIZE - 5, 6, 2),
    ] {
        let answer = madvise(area.at(at), length, Advice::DontNeed);
        expect_eq!(answer, 0, "madvise of {length} bytes");
        area.part(first, pages).holds(0, "a byte after DONTNEED")?;
    }
    for page in [0, 2, 3, 5, 8] {
        area.part(page, 1).holds(1, "a byte that stays")?;
    }
    area.unmap()
}

fn dontneed_in_a_child() -> Outcome {
    let area = Area::private(8)?;
    area.fill(1);
    ends_with(0, "DONTNEED of the parent's pages", || {
        let given = area.part(0, 4).advise(Advice::DontNeed);
        let seen = given
            .and_then(|()| area.part(0, 4).holds(0, "the child's byte"))
            .and_then(|()| area.part(4, 4).holds(1, "another byte of the child's"));
        i32::from(seen.is_err())
    })?;
    area.holds(1, "the parent's byte")
}

fn dontneed_heap() -> Outcome {
    let base = grow_touched(6)?;
    let area = Area { base, pages: 6 };
    area.fill(1);
    area.part(1, 4).advise(Advice::DontNeed)?;
    area.part(1, 4).holds(0, "the heap's byte after DONTNEED")?;
    area.part(0, 1).holds(1, "the heap's byte before")?;
    area.part(5, 1).holds(1, "the heap's byte after")
}

fn dontneed_keeps_rights() -> Outcome {
    let area = Area::private(4)?;
    area.fill(1);
    area.protect(Prot::READ)?;
    area.advise(Advice::DontNeed)?;
    area.permits(Prot::READ, "pages after DONTNEED")?;
    area.holds(0, "a byte after DONTNEED")?;
    area.protect(Prot::empty())?;
    area.advise(Advice::DontNeed)?;
    area.permits(Prot::empty(), "inaccessible pages after DONTNEED")
}

/// After FREE a page holds its old data or zeros; later writes stay.
fn free_zeros() -> Outcome {
    let area = Area::private(8)?;
    area.fill(1);
    area.advise(Advice::Free)?;
    for page in 0..8 {
        let seen = area.get(page);
        expect!(seen <= 1, "the old byte or 0 after FREE, saw {seen}");
    }
    area.fill(2);
    area.holds(2, "a byte written after FREE")?;
    area.unmap()
}

fn free_refuses_shared() -> Outcome {
    let area = Area::shared(2)?;
    area.fill(1);
    refused(
        madvise(area.base, area.length(), Advice::Free),
        "FREE of shared memory",
    )?;
    area.holds(1, "a byte of shared memory")?;
    let text = free_refuses_shared as fn() -> Outcome as usize & !(PAGE_SIZE - 1);
    refused(madvise(text, PAGE_SIZE, Advice::Free), "FREE of text")
}

fn willneed_fills() -> Outcome {
    for kind in [PRIVATE, SHARED] {
        let area = Area::map(60, RW, kind)?;
        expect_eq!(area.resident()?, 0, "resident pages at first");
        area.part(10, 40).advise(Advice::WillNeed)?;
        expect_eq!(area.part(10, 40).resident()?, 40, "resident pages");
        expect_eq!(area.part(0, 10).resident()?, 0, "pages before");
        expect_eq!(area.part(50, 10).resident()?, 0, "pages after");
        area.holds(0, "a byte")?;
        area.unmap()?;
    }
    Ok(())
}

fn willneed_keeps() -> Outcome {
    let area = Area::private(8)?;
    area.part(2, 4).fill(1);
    area.advise(Advice::WillNeed)?;
    area.advise(Advice::WillNeed)?;
    expect_eq!(area.resident()?, 8, "resident pages");
    area.part(2, 4).holds(1, "a byte written before")?;
    area.part(0, 2).holds(0, "a byte filled")?;
    ends_with(0, "WILLNEED of the parent's pages", || {
        let seen = area
            .advise(Advice::WillNeed)
            .and_then(|()| area.part(2, 4).holds(1, "a byte"));
        area.fill(2);
        i32::from(seen.is_err())
    })?;
    area.part(2, 4).holds(1, "the parent's byte")
}

fn madvise_refused() -> Outcome {
    let area = Area::map_at(FAR, 4, RW, PRIVATE)?;
    area.fill(1);
    area.part(2, 1).unmap()?;
    let top = USER_TOP as usize;
    for advice in [Advice::DontNeed, Advice::WillNeed, Advice::Free] {
        for (at, length, what) in [
            (area.base + 1, 1, "an unaligned address"),
            (area.base, 4 * PAGE_SIZE, "a range with a hole"),
            (area.base - PAGE_SIZE, 2 * PAGE_SIZE, "a hole at its start"),
            (area.at(2), PAGE_SIZE, "nothing"),
            (area.base, usize::MAX, "a range that wraps"),
            (area.base, MAXVA as usize, "a range past the user half"),
            (top, PAGE_SIZE, "an address past the user half"),
        ] {
            let what = format!("{advice:?} of {what}");
            refused(madvise(at, length, advice), &what)?;
        }
        expect_eq!(madvise(area.base, 0, advice), 0, "{advice:?} of no bytes");
    }
    for advice in [0, 1, 2, 5, 100, u32::MAX] {
        // SAFETY: it is the test's own memory.
        let answer = unsafe { sys::madvise(area.base, PAGE_SIZE, advice) };
        let known = Advice::from_number(advice).is_some();
        expect!(
            known || answer == -1,
            "-1 for advice {advice}, saw {answer}"
        );
    }
    area.part(0, 2).holds(1, "a byte after refusals")?;
    area.part(3, 1).holds(1, "a byte after the hole")
}

fn mincore_tells() -> Outcome {
    let area = Area::private(8)?;
    expect_eq!(area.resident()?, 0, "resident pages at first");
    area.part(4, 4).holds(0, "an untouched byte")?;
    expect_eq!(area.resident()?, 0, "resident pages after reading");
    area.put(1, 1);
    area.put(6, 1);
    let mut told = [9; 9];
    // SAFETY: the bytes are ours, and one more than will be told.
    let answer = unsafe { sys::mincore(area.base, area.length() - 100, told.as_mut_ptr()) };
    expect_eq!(answer, 0, "mincore of what is no multiple of a page");
    expect_eq!(told, [0, 1, 0, 0, 0, 0, 1, 0, 9], "what it tells");
    area.protect(Prot::empty())?;
    expect_eq!(area.resident()?, 2, "resident inaccessible pages");
    ends_with(0, "mincore in a child", || {
        i32::from(area.resident() != Ok(2))
    })?;
    area.part(1, 1).advise(Advice::DontNeed)?;
    expect_eq!(area.resident()?, 1, "resident pages after DONTNEED");
    let local = 0_u8;
    let stack = Area {
        base: (&raw const local) as usize & !(PAGE_SIZE - 1),
        pages: 1,
    };
    expect_eq!(stack.resident()?, 1, "pages of the stack with a frame");
    let heap = Area {
        base: grow_touched(3)?,
        pages: 3,
    };
    expect_eq!(heap.resident()?, 3, "pages of the heap with a frame");
    Ok(())
}

/// Over several kinds of mappings, more pages than the kernel's buffer holds, into untouched
/// memory.
fn mincore_many() -> Outcome {
    const PAGES: usize = 3000;
    let area = Area::map_at(FAR, PAGES, RW, PRIVATE)?;
    area.part(1000, 1000).protect(Prot::READ)?;
    let touched = [0, 511, 512, 999, 2000, PAGES - 1];
    for page in touched {
        area.put(page, 1);
    }
    let told = Area::private(1)?;
    // SAFETY: the page is ours.
    let answer = unsafe { sys::mincore(area.base, area.length(), told.base as *mut u8) };
    expect_eq!(answer, 0, "mincore of {PAGES} pages into an untouched page");
    for page in 0..PAGES {
        let expected = u8::from(touched.contains(&page));
        let near = touched.iter().any(|&at| at / 512 == page / 512);
        let seen = peek(told.base + page);
        // Readahead of a block of pages is allowed.
        expect!(
            seen == expected || near && seen == 1,
            "{expected} for page {page}, saw {seen}"
        );
    }
    area.unmap()?;
    told.unmap()
}

fn mincore_refused() -> Outcome {
    let area = Area::map_at(FAR, 4, RW, PRIVATE)?;
    area.part(2, 1).unmap()?;
    let mut told = [9; 8];
    let to = told.as_mut_ptr();
    let read_only = Area::map(1, Prot::READ, SHARED)?;
    let (good, top) = (area.base, USER_TOP as usize);
    for (at, length, to, what) in [
        (good + 1, PAGE_SIZE, to, "an unaligned address"),
        (good, 4 * PAGE_SIZE, to, "a range with a hole"),
        (area.at(2), PAGE_SIZE, to, "nothing"),
        (top, PAGE_SIZE, to, "an address past the user half"),
        (good, usize::MAX, to, "a range that wraps"),
        (
            good,
            PAGE_SIZE,
            core::ptr::null_mut(),
            "memory, told to text",
        ),
        (
            good,
            PAGE_SIZE,
            read_only.base as *mut u8,
            "memory, told to read-only memory",
        ),
        (good, PAGE_SIZE, top as *mut u8, "memory, told to nowhere"),
    ] {
        // SAFETY: each of these calls must be refused.
        let answer = unsafe { sys::mincore(at, length, to) };
        refused(answer, &format!("mincore of {what}"))?;
    }
    expect_eq!(told, [9; 8], "stored by failed calls");
    let mut none = [];
    mem::mincore(good as *const u8, &mut none).or_fail("query no pages")?;
    let before = available()?;
    dies("reading in the hole", || peek(area.at(2)))?;
    expect!(available()? + 2 > before, "no pages lost by a fault");
    Ok(())
}
