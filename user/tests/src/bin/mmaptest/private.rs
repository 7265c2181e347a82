//! Private memory: after fork each side has its own, and exit frees it.

use crate::area::{Area, PRIVATE, RW};
use crate::place::FAR;
use abi::{MapFlags, PAGE_SIZE, Prot};
use harness::{
    Gate, Kid, Outcome, Tally, Test, available, cost, ends_with, fill_memory, taken_since,
};
use harness::{expect, expect_eq, tests};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "zero-page-costs-nothing" = zero_page,
    "zero-page-stays-zero" = zero_page_stays_zero,
    "fork-copies" = fork_copies,
    "fork-then-unmap" = fork_then_unmap,
    "fork-then-replace" = fork_then_replace,
    "fork-of-unreadable-pages" = fork_of_unreadable_pages,
    "exit-gives-back" = exit_gives_back,
    "kill-gives-back" = kill_gives_back,
    "too-much" = too_much;
    slow:;
};

/// Reading untouched memory takes no page; its page table exists already.
fn zero_page() -> Outcome {
    let area = Area::map_at(FAR, 300, RW, PRIVATE)?;
    area.put(0, 1);
    let taken = cost(
        || area.part(1, 299).holds(0, "an untouched byte"),
        |()| Ok(()),
    )?;
    expect_eq!(taken, 0, "pages taken by reading");
    expect_eq!(area.resident()?, 1, "resident pages");
    let read_only = Area::map(300, Prot::READ, PRIVATE)?;
    let before = available()?;
    read_only.holds(0, "an untouched byte that can only be read")?;
    let taken = taken_since(before)?;
    expect!(taken <= 2, "at most tables taken, saw {taken} pages");
    area.unmap()?;
    read_only.unmap()
}

/// A write to a page does not change others that show the zero page.
fn zero_page_stays_zero() -> Outcome {
    let (area, other) = (Area::private(16)?, Area::private(16)?);
    area.holds(0, "an untouched byte")?;
    other.holds(0, "an untouched byte")?;
    for page in 0..16 {
        area.part(page, 1).fill(page as u8 + 1);
        other.holds(0, "a byte of another mapping")?;
        area.part(page + 1, 15 - page)
            .holds(0, "a byte of the next page")?;
    }
    ends_with(0, "a new process's zeros", || {
        let seen = Area::private(16).and_then(|area| area.holds(0, "a byte"));
        i32::from(seen.is_err())
    })
}

fn fork_copies() -> Outcome {
    let area = Area::private(16)?;
    let (touched, rest) = (area.part(0, 8), area.part(8, 8));
    touched.fill(1);
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = touched
            .holds(1, "the parent's byte")
            .and_then(|()| rest.holds(0, "an untouched byte"));
        area.fill(2);
        i32::from(seen.is_err() || area.unmap().is_err())
    })?;
    area.fill(3);
    gate.open();
    child.ends_with(0, "a private copy")?;
    area.holds(3, "the parent's byte after the child wrote")
}

fn fork_then_unmap() -> Outcome {
    let area = Area::private(8)?;
    area.fill(1);
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = area.holds(1, "a byte that the parent unmapped");
        area.fill(2);
        i32::from(seen.is_err() || area.holds(2, "a byte").is_err())
    })?;
    area.unmap()?;
    gate.open();
    child.ends_with(0, "memory that the parent unmapped")?;
    let again = Area::map_at(area.base, 8, RW, PRIVATE | MapFlags::FIXED)?;
    again.holds(0, "a new byte")
}

fn fork_then_replace() -> Outcome {
    let area = Area::private(8)?;
    area.fill(1);
    ends_with(0, "replacing a page in the child", || {
        let flags = PRIVATE | MapFlags::FIXED;
        let replaced = Area::map_at(area.at(3), 2, RW, flags)
            .and_then(|new| {
                new.holds(0, "a new byte")?;
                new.fill(4);
                area.part(0, 3).holds(1, "a byte before")
            })
            .and_then(|()| area.part(5, 3).holds(1, "a byte after"));
        i32::from(replaced.is_err())
    })?;
    area.holds(1, "the parent's byte")
}

/// Inaccessible pages keep their contents across fork.
fn fork_of_unreadable_pages() -> Outcome {
    let area = Area::private(4)?;
    area.fill(6);
    area.protect(Prot::empty())?;
    ends_with(0, "opening unreadable pages", || {
        let seen = area
            .protect(RW)
            .and_then(|()| area.holds(6, "the child's byte"));
        area.fill(7);
        i32::from(seen.is_err())
    })?;
    area.permits(Prot::empty(), "the parent's pages")?;
    area.protect(RW)?;
    area.holds(6, "the parent's byte")
}

fn exit_gives_back() -> Outcome {
    let taken = cost(
        || {
            ends_with(0, "exit with mappings", || {
                let filled = (0..50).try_for_each(|i| {
                    let kind = if i % 2 == 0 {
                        PRIVATE
                    } else {
                        crate::area::SHARED
                    };
                    Area::map(10, RW, kind).map(|area| area.fill(1))
                });
                i32::from(filled.is_err())
            })
        },
        Ok,
    )?;
    expect!(taken <= 0, "all pages back, saw {taken} taken");
    Ok(())
}

fn kill_gives_back() -> Outcome {
    let tally = Tally::new()?;
    let child = Kid::start(|| {
        let filled = Area::private(256).map(|area| area.fill(1));
        tally.report(u8::from(filled.is_ok()));
        loop {
            core::hint::spin_loop();
        }
    })?;
    let filled = tally.listen().hear()?;
    expect_eq!(filled, 1, "whether the child could map");
    child.kill("mappings")
}

fn too_much() -> Outcome {
    ends_with(abi::KILLED, "touching more than there is", || {
        let Ok(area) = Area::private((2 << 30) / PAGE_SIZE) else {
            return 1;
        };
        if fill_memory(64).is_err() {
            return 2;
        }
        area.fill(1);
        0
    })
}
