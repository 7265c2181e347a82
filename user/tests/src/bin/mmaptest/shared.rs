//! Shared memory.

use crate::area::{Area, PRIVATE, RW, SHARED};
use crate::place::FAR;
use abi::{Advice, MapFlags, PAGE_SIZE, Prot, RemapFlags};
use core::sync::atomic::{AtomicU32, Ordering};
use harness::{Expect, Gate, Kid, Outcome, Stay, Tally, Test, available, ends_with, taken_since};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{fs, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "shared-child-writes" = child_writes,
    "shared-parent-writes" = parent_writes,
    "shared-untouched-at-fork" = untouched_at_fork,
    "shared-by-three-generations" = three_generations,
    "shared-outlives-the-maker" = outlives_the_maker,
    "shared-counter" = counter,
    "shared-costs-once" = costs_once,
    "shared-apart-from-others" = apart_from_others,
    "shared-parts-unmapped" = parts_unmapped,
    "shared-rights-are-each-ones-own" = rights_are_ones_own,
    "shared-not-forgotten" = not_forgotten,
    "shared-read-by-a-call" = read_by_a_call,
    "shared-grows-for-all" = grows_for_all,
    "shared-huge" = huge;
    slow:;
};

fn child_writes() -> Outcome {
    let area = Area::shared(8)?;
    area.part(0, 4).fill(1);
    ends_with(0, "writing to shared memory", || {
        let seen = area.part(0, 4).holds(1, "the parent's byte");
        area.fill(2);
        i32::from(seen.is_err())
    })?;
    area.holds(2, "the child's byte")
}

fn parent_writes() -> Outcome {
    let area = Area::shared(8)?;
    area.fill(1);
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        i32::from(area.holds(3, "the parent's later byte").is_err())
    })?;
    area.fill(3);
    gate.open();
    child.ends_with(0, "reading what the parent wrote after the fork")
}

fn untouched_at_fork() -> Outcome {
    let area = Area::shared(40)?;
    let child = Stay::start_then(
        || {
            area.part(0, 20).fill(1);
            Ok(())
        },
        |()| i32::from(area.part(20, 20).holds(2, "the parent's byte").is_err()),
    )?;
    area.part(0, 20).holds(1, "the child's byte")?;
    area.part(20, 20).fill(2);
    child.end("pages touched after the fork")
}

fn three_generations() -> Outcome {
    let area = Area::shared(3)?;
    area.part(0, 1).fill(1);
    ends_with(0, "a grandchild's writing", || {
        area.part(1, 1).fill(2);
        let inner = ends_with(0, "the grandchild", || {
            let seen = area
                .part(0, 1)
                .holds(1, "the grandparent's byte")
                .and_then(|()| area.part(1, 1).holds(2, "the parent's byte"));
            area.part(2, 1).fill(3);
            i32::from(seen.is_err())
        });
        let seen = inner.and_then(|()| area.part(2, 1).holds(3, "the grandchild's byte"));
        i32::from(seen.is_err())
    })?;
    area.part(1, 1).holds(2, "the child's byte")?;
    area.part(2, 1).holds(3, "the grandchild's byte")
}

fn outlives_the_maker() -> Outcome {
    let area = Area::shared(4)?;
    area.fill(1);
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = area.holds(1, "a byte that the parent unmapped");
        area.fill(2);
        i32::from(seen.and_then(|()| area.holds(2, "a new byte")).is_err())
    })?;
    area.unmap()?;
    let other = Area::map_at(area.base, 4, RW, SHARED | MapFlags::FIXED_NOREPLACE)?;
    other.holds(0, "a byte of new shared memory in the same place")?;
    gate.open();
    child.ends_with(0, "shared memory that the parent unmapped")?;
    other.holds(0, "a byte after the child wrote to the old memory")
}

/// Several processes atomically increment the same word.
fn counter() -> Outcome {
    const KIDS: u32 = 4;
    const TURNS: u32 = 20_000;
    let area = Area::shared(1)?;
    // SAFETY: the page is mapped as long as the test runs, aligned, zeroed, and used by atomic
    // instructions alone.
    let count = unsafe { AtomicU32::from_ptr(area.base as *mut u32) };
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..KIDS)
        .map(|_| {
            Kid::start(|| {
                gate.pass();
                for _ in 0..TURNS {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                0
            })
        })
        .collect::<Result<_, String>>()?;
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "counting"))?;
    expect_eq!(count.load(Ordering::Relaxed), KIDS * TURNS, "the count");
    Ok(())
}

/// A shared area takes its pages once for three processes.
fn costs_once() -> Outcome {
    let area = Area::shared(400)?;
    area.fill(1);
    let before = available()?;
    let (tally, gate) = (Tally::new()?, Gate::new()?);
    let kids: Vec<Kid> = (0..3)
        .map(|_| {
            Kid::start(|| {
                area.fill(2);
                tally.report(1);
                gate.pass();
                0
            })
        })
        .collect::<Result<_, String>>()?;
    let mut reports = tally.listen();
    for _ in 0..3 {
        reports.hear()?;
    }
    let taken = taken_since(before)?;
    expect!(
        taken < 200,
        "three processes without copies of 400 pages, saw {taken} taken"
    );
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "touching shared memory"))
}

fn apart_from_others() -> Outcome {
    let (one, other, own) = (Area::shared(2)?, Area::shared(2)?, Area::private(2)?);
    for area in [one, other, own] {
        area.fill(1);
    }
    ends_with(0, "writing to one of three", || {
        one.fill(2);
        own.fill(2);
        0
    })?;
    one.holds(2, "the byte written by the child")?;
    other.holds(1, "a byte of other shared memory")?;
    own.holds(1, "a byte of the parent's own")
}

fn parts_unmapped() -> Outcome {
    let area = Area::shared(9)?;
    area.fill(1);
    ends_with(0, "parts of shared memory", || {
        // The rest must still map the same pages.
        let cut = [0, 4, 8].map(|page| area.part(page, 1).unmap());
        area.part(1, 3).fill(2);
        area.part(5, 3).fill(3);
        i32::from(cut.into_iter().any(|cut| cut.is_err()))
    })?;
    for (page, byte) in [1, 2, 2, 2, 1, 3, 3, 3, 1].into_iter().enumerate() {
        area.part(page, 1).holds(byte, "a byte of the parent's")?;
    }
    Ok(())
}

fn rights_are_ones_own() -> Outcome {
    let area = Area::shared(4)?;
    area.fill(1);
    ends_with(0, "removing permissions", || {
        let taken = area
            .protect(Prot::READ)
            .and_then(|()| area.permits(Prot::READ, "the child's pages"));
        i32::from(taken.is_err())
    })?;
    area.permits(RW, "the parent's pages")?;
    area.protect(Prot::READ)?;
    ends_with(0, "writing with a child's own permissions", || {
        let given = area.protect(RW);
        area.part(0, 2).fill(4);
        i32::from(given.is_err())
    })?;
    area.part(0, 2)
        .holds(4, "the child's byte, read-only here")?;
    area.part(2, 2).holds(1, "the first byte")
}

/// DONTNEED does not lose shared pages.
fn not_forgotten() -> Outcome {
    let area = Area::shared(4)?;
    area.fill(1);
    area.advise(Advice::DontNeed)?;
    area.holds(1, "a byte after DONTNEED")?;
    ends_with(0, "DONTNEED in a child", || {
        area.fill(2);
        i32::from(area.advise(Advice::DontNeed).is_err())
    })?;
    area.holds(2, "the child's byte after its DONTNEED")
}

/// `read` into shared memory is visible to the other process.
fn read_by_a_call() -> Outcome {
    let area = Area::shared(2)?;
    let text = b"for both of us";
    fs::write("file", text).or_fail("write a file")?;
    let place = area.at(1) - 5;
    ends_with(0, "read into shared memory", || {
        let Ok(file) = fs::File::open("file") else {
            return 1;
        };
        // SAFETY: the memory is ours.
        let n = unsafe { sys::read(file.as_raw_fd(), place as *mut u8, text.len()) };
        i32::from(n != text.len() as isize)
    })?;
    for (i, &byte) in text.iter().enumerate() {
        let seen = harness::peek(place + i);
        expect_eq!(seen, byte, "byte {i} of what the child read");
    }
    Ok(())
}

/// Pages that one process adds with `mremap` are shared when the other grows too.
fn grows_for_all() -> Outcome {
    let area = Area::map_at(FAR, 2, RW, SHARED)?;
    area.fill(1);
    ends_with(0, "growing shared memory", || {
        let grown = area.resize(700, RemapFlags::empty());
        let Ok(grown) = grown else { return 1 };
        grown.part(2, 698).fill(5);
        i32::from(grown.part(0, 2).holds(1, "a byte").is_err())
    })?;
    let grown = area.resize(700, RemapFlags::MAYMOVE)?;
    grown.part(0, 2).holds(1, "a byte from before")?;
    grown.part(2, 698).holds(5, "a byte that the child added")
}

/// A shared area much larger than memory.
fn huge() -> Outcome {
    let pages = (16 << 30) / PAGE_SIZE;
    let area = Area::shared(pages)?;
    let own = Area::map(1, RW, PRIVATE)?;
    let places: [usize; 6] = [0, 511, 512, 262_143, 262_144, pages - 1];
    for (i, page) in places.into_iter().enumerate() {
        ends_with(0, "writing to a huge area", || {
            area.part(page, 1).fill(i as u8 + 1);
            own.fill(1);
            0
        })?;
    }
    for (i, page) in places.into_iter().enumerate() {
        area.part(page, 1).holds(i as u8 + 1, "a child's byte")?;
    }
    expect!(own.get(0) == 0, "a page of one's own untouched");
    area.unmap()
}
