//! Event counts, and memory by use.

use crate::ask::{NOISE, count};
use abi::{Event, MemInfoFlags, PAGE_SIZE};
use harness::{Expect, Gate, Kid, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::vec::Vec;
use ulib::{fs, mem, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "events" = events,
    "uses" = uses;
    slow:;
};

fn events() -> Outcome {
    let before = count(Event::Call)?;
    for _ in 0..500 {
        sys::getpid();
    }
    let calls = count(Event::Call)? - before;
    expect!(
        (500..500 + NOISE).contains(&calls),
        "about 500 system calls, saw {calls}"
    );
    let before = mem::info(MemInfoFlags::empty()).or_fail("count")?;
    fs::write("file", vec![1; 3 * PAGE_SIZE]).or_fail("write a file")?;
    fs::sync().or_fail("sync")?;
    ulib::thread::sleep_ticks(1);
    let after = mem::info(MemInfoFlags::empty()).or_fail("count")?;
    for (event, least) in [
        (Event::DiskWrite, 12),
        (Event::DiskFlush, 1),
        (Event::Device, 1),
        (Event::Timer, 1),
        (Event::Switch, 2),
    ] {
        let seen = after.events[event as usize] - before.events[event as usize];
        expect!(
            seen >= least,
            "at least {least} {}, saw {seen}",
            event.name()
        );
    }
    Ok(())
}

/// The parts add up to at most the total, and show what processes use.
fn uses() -> Outcome {
    let take = || mem::info(MemInfoFlags::DROP_CACHES).or_fail("count");
    let before = take()?;
    let named = before.slab
        + before.kernel_tables
        + before.page_tables
        + before.stacks
        + before.kernel_blocks
        + before.file_pages
        + before.anonymous;
    expect_eq!(
        named + before.free,
        before.total,
        "pages in use and free, together"
    );
    expect_eq!(
        before.uses.iter().sum::<u64>(),
        before.total + before.reserved,
        "pages of all uses, together"
    );
    let of_kmalloc = before.classes.iter().map(|class| u64::from(class.slabs));
    expect_eq!(
        before.slab,
        of_kmalloc.sum::<u64>() + before.whole + before.records + before.slab_reserve,
        "pages of kmalloc, and what it has"
    );
    expect!(
        before.reserved >= before.image + before.frame_records && before.image > 50,
        "an image and records in {} reserved pages, saw {} and {}",
        before.reserved,
        before.image,
        before.frame_records
    );
    let gate = Gate::new()?;
    let mut children = Vec::new();
    for _ in 0..8 {
        children.push(Kid::start(|| {
            gate.pass();
            0
        })?);
    }
    let after = take()?;
    let (stacks, tables) = (
        after.stacks - before.stacks,
        after.page_tables - before.page_tables,
    );
    expect!(
        (8 * 4..=8 * 4 + 16).contains(&stacks),
        "about 32 pages of stacks for 8 processes, saw {stacks}"
    );
    expect!(
        (8 * 3..8 * 8).contains(&tables),
        "some page tables for 8 processes, saw {tables}"
    );
    gate.open();
    children
        .into_iter()
        .try_for_each(|child| child.ends_with(0, "waiting"))
}
