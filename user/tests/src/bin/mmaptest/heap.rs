//! The heap and mappings next to each other.

use crate::area::{Area, PRIVATE, RW, SHARED, mmap, refused};
use abi::{MMAP_BASE, MapFlags, PAGE_SIZE, Prot};
use harness::{Expect, Outcome, Test, dies, ends_with, peek};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::{mem, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "heap-apart" = heap_apart,
    "sbrk-stops-below-a-mapping" = stops_below,
    "sbrk-goes-on-after-munmap" = goes_on_after_munmap,
    "sbrk-down-then-mapping" = down_then_mapping,
    "mapping-never-over-the-heap" = never_over_the_heap,
    "mapping-out-of-the-heaps-way" = out_of_the_way,
    "sbrk-up-to-the-mappings" = up_to_the_mappings;
    slow:;
};

/// The raw call: the old break or -1.
fn sbrk(bytes: isize) -> isize {
    // SAFETY: the tests give back only what they got, and allocate nothing in between.
    unsafe { sys::sbrk(bytes) }
}

/// Moves the break to a page boundary and returns it.
fn page_break() -> Result<usize, String> {
    let top = mem::grow(0).or_fail("query the break")? as usize;
    mem::grow(top.next_multiple_of(PAGE_SIZE) - top).or_fail("move the break to a page")?;
    Ok(top.next_multiple_of(PAGE_SIZE))
}

const PAGE: isize = PAGE_SIZE as isize;

fn heap_apart() -> Outcome {
    let area = Area::private(1)?;
    area.fill(4);
    let heap = Area {
        base: mem::grow(1 << 20).or_fail("grow the heap")? as usize,
        pages: (1 << 20) / PAGE_SIZE,
    };
    heap.fill(5);
    area.holds(4, "the mapping's byte")?;
    refused(sbrk(MMAP_BASE as isize), "a heap over the mappings")?;
    area.unmap()?;
    heap.holds(5, "the heap's byte")
}

fn stops_below() -> Outcome {
    let top = page_break()?;
    let at = top + 4 * PAGE_SIZE;
    let area = Area::map_at(at, 2, RW, PRIVATE | MapFlags::FIXED)?;
    area.fill(1);
    for bytes in [4 * PAGE + 1, 5 * PAGE, 6 * PAGE, 7 * PAGE, 1 << 30] {
        refused(sbrk(bytes), "the break moved into or past a mapping")?;
        expect_eq!(sbrk(0), top as isize, "the break after that");
    }
    expect_eq!(sbrk(4 * PAGE), top as isize, "the break up to the mapping");
    let heap = Area {
        base: top,
        pages: 4,
    };
    heap.fill(2);
    refused(sbrk(1), "one byte more")?;
    area.holds(1, "the mapping's byte")?;
    heap.holds(2, "the heap's byte")?;
    area.unmap()
}

fn goes_on_after_munmap() -> Outcome {
    let top = page_break()?;
    let area = Area::map_at(top, 2, Prot::empty(), SHARED | MapFlags::FIXED)?;
    refused(sbrk(1), "the break moved into a mapping right after it")?;
    area.unmap()?;
    expect_eq!(sbrk(3 * PAGE), top as isize, "the break after munmap");
    let heap = Area {
        base: top,
        pages: 3,
    };
    heap.holds(0, "the heap's new byte")?;
    heap.fill(3);
    heap.holds(3, "the heap's byte")
}

/// Freed heap can be mapped, and is zero for either.
fn down_then_mapping() -> Outcome {
    let top = page_break()?;
    let heap = Area {
        base: top,
        pages: 8,
    };
    expect_eq!(sbrk(8 * PAGE), top as isize, "the old break");
    heap.fill(1);
    expect_eq!(sbrk(-6 * PAGE), heap.end() as isize, "the break before");
    let flags = PRIVATE | MapFlags::FIXED_NOREPLACE;
    let area = Area::map_at(heap.at(4), 2, RW, flags)?;
    area.holds(0, "the mapping's new byte")?;
    area.fill(2);
    heap.part(0, 2).holds(1, "what the heap kept")?;
    dies("reading between them", || peek(heap.at(3)))?;
    expect_eq!(sbrk(2 * PAGE), heap.at(2) as isize, "the break before");
    heap.part(2, 2).holds(0, "the heap's byte, got again")?;
    refused(sbrk(PAGE), "the break moved into the mapping")?;
    area.holds(2, "the mapping's byte")?;
    area.unmap()?;
    expect_eq!(sbrk(4 * PAGE), heap.at(4) as isize, "the break before");
    heap.part(4, 4)
        .holds(0, "the heap's byte where a mapping was")
}

fn never_over_the_heap() -> Outcome {
    let top = page_break()?;
    expect_eq!(sbrk(16 * PAGE), top as isize, "the old break");
    let heap = Area {
        base: top,
        pages: 16,
    };
    heap.fill(1);
    for page in [0, 7, 15] {
        let at = heap.at(page);
        let hinted = Area::map_at(at, 4, RW, PRIVATE)?;
        crate::area::apart(hinted, heap)?;
        hinted.fill(2);
        for flag in [MapFlags::FIXED, MapFlags::FIXED_NOREPLACE] {
            let answer = mmap(at, 4 * PAGE_SIZE, RW, PRIVATE | flag);
            refused(answer, "a mapping over the heap")?;
        }
    }
    let below = mmap(
        top - PAGE_SIZE,
        2 * PAGE_SIZE,
        RW,
        PRIVATE | MapFlags::FIXED,
    );
    let across = mmap(heap.at(15), 2 * PAGE_SIZE, RW, PRIVATE | MapFlags::FIXED);
    refused(below, "a mapping over the heap's start")?;
    refused(across, "a mapping over the heap's end")?;
    heap.holds(1, "the heap's byte")
}

/// Mappings without a hint leave room for the heap.
fn out_of_the_way() -> Outcome {
    let top = page_break()?;
    for pages in [1, 100, 10_000, 1_000_000] {
        let area = Area::private(pages)?;
        expect!(
            area.base >= MMAP_BASE as usize,
            "{pages} pages above {MMAP_BASE:#x}, saw {area:x?}"
        );
    }
    // Reserve 100 GiB; touch only the ends.
    let room = 100 << 30;
    expect_eq!(sbrk(room), top as isize, "the old break");
    let last = top + room as usize - 1;
    expect_eq!(peek(last), 0, "the last byte");
    expect_eq!(sbrk(-room), last as isize + 1, "the break before");
    dies("reading freed heap", || peek(last))
}

/// The heap can grow exactly up to the lowest mapping.
fn up_to_the_mappings() -> Outcome {
    ends_with(0, "the largest heap", || {
        let Ok(area) = Area::private(1) else { return 1 };
        let Ok(top) = page_break() else { return 2 };
        let room = (area.base - top) as isize;
        if sbrk(room + 1) != -1 || sbrk(room) != top as isize || sbrk(1) != -1 {
            return 3;
        }
        let heap = Area {
            base: area.base - PAGE_SIZE,
            pages: 1,
        };
        heap.fill(1);
        let seen = area.holds(0, "the mapping's byte");
        i32::from(seen.and_then(|()| area.unmap()).is_err())
    })
}
