//! Page counts (resident, shared, zero, copied) as memory is touched and forked.

use crate::ask::{NOISE, count, own, own_region, region, touch};
use abi::{Event, MapFlags, MemInfoFlags, PAGE_SIZE, RegionUse};
use harness::{Expect, Kid, Outcome, Stay, Test, fill, grow_touched, map, peek};
use harness::{expect, expect_eq, tests};
use ulib::mem::{self, Mapping};
use ulib::sys;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "touching" = touching,
    "reading" = reading,
    "anonymous" = anonymous,
    "fork-shares" = fork_shares,
    "copies" = copies,
    "shared-memory" = shared_memory;
    slow:;
};

/// Twice: the first run also faults in pages of the program.
fn touching() -> Outcome {
    let _ = touch_and_compare();
    touch_and_compare()
}

fn touch_and_compare() -> Outcome {
    let before = own()?;
    grow_touched(50)?;
    let after = own()?;
    expect_eq!(
        after.resident,
        before.resident + 50,
        "resident pages after 50 were touched"
    );
    expect!(
        after.size >= before.size + 50,
        "a size of at least {} pages, saw {}",
        before.size + 50,
        after.size
    );
    let mut memory = Mapping::anonymous(40 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 30);
    let seen = own_region(&memory)?;
    expect_eq!(seen.resident, 30, "resident pages of a mapping");
    expect_eq!(seen.shared, 0, "shared pages of a mapping");
    expect_eq!(
        own()?.resident,
        after.resident + 30,
        "resident pages with the mapping's"
    );
    drop(memory);
    expect_eq!(
        own()?.resident,
        after.resident,
        "resident pages without the mapping"
    );
    Ok(())
}

fn reading() -> Outcome {
    let memory = Mapping::anonymous(20 * PAGE_SIZE).or_fail("map memory")?;
    let before = own()?;
    let shown = count(Event::ZeroPage)?;
    for page in 0..15 {
        peek(memory.as_ptr() as usize + page * PAGE_SIZE);
    }
    let shown = count(Event::ZeroPage)? - shown;
    expect!(
        (15..15 + NOISE).contains(&shown),
        "about 15 zero pages mapped, saw {shown}"
    );
    let seen = own_region(&memory)?;
    expect_eq!(
        (seen.resident, seen.zero),
        (0, 15),
        "resident and zero pages of a mapping that was only read"
    );
    expect_eq!(own()?.zero, before.zero + 15, "zero pages of the process");
    Ok(())
}

/// The machine's counts.
fn anonymous() -> Outcome {
    let flags = MemInfoFlags::DROP_CACHES;
    let before = mem::info(flags).or_fail("count")?;
    let mut memory = Mapping::anonymous(300 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 300);
    let after = mem::info(flags).or_fail("count")?;
    let more = after.anonymous - before.anonymous;
    expect!(
        (300..310).contains(&more),
        "about 300 anonymous pages more, saw {more}"
    );
    let less = before.free - after.free;
    expect!(
        (300..320).contains(&less),
        "about 300 free pages less, saw {less}"
    );
    let filled = after.events[Event::ZeroFill as usize] - before.events[Event::ZeroFill as usize];
    expect!(
        (300..300 + NOISE).contains(&filled),
        "about 300 pages zero-filled, saw {filled}"
    );
    Ok(())
}

fn fork_shares() -> Outcome {
    let mut memory = Mapping::anonymous(64 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 48);
    let child = Stay::start(|| {
        touch(&mut memory, 10);
        0
    })?;
    let address = memory.as_ptr() as usize;
    let (ours, theirs) = (own_region(&memory)?, region(child.id(), address)?);
    expect_eq!(theirs.resident, 48, "resident pages of the child");
    expect_eq!(
        (ours.shared, theirs.shared),
        (38, 38),
        "shared pages of parent and child after 10 writes"
    );
    child.end("writing shared pages")?;
    expect_eq!(
        own_region(&memory)?.shared,
        0,
        "shared pages without the child"
    );
    Ok(())
}

fn copies() -> Outcome {
    let mut memory = Mapping::anonymous(100 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 100);
    let before = count(Event::Copy)?;
    Kid::start(|| {
        touch(&mut memory, 90);
        0
    })?
    .ends_with(0, "writing shared pages")?;
    let copied = count(Event::Copy)? - before;
    expect!(
        (90..90 + NOISE).contains(&copied),
        "about 90 copy-on-write copies, saw {copied}"
    );
    let (saved, before) = (count(Event::LastOwner)?, count(Event::Copy)?);
    touch(&mut memory, 100);
    let (saved, copied) = (
        count(Event::LastOwner)? - saved,
        count(Event::Copy)? - before,
    );
    expect!(
        saved >= 100 && copied < NOISE,
        "100 pages taken by their last owner, saw {saved}, and {copied} copies"
    );
    Ok(())
}

fn shared_memory() -> Outcome {
    const PAGES: usize = 12;
    let base = map(PAGES, MapFlags::SHARED).ok_or("expected shared memory, saw -1")?;
    // SAFETY: the mapping is ours.
    unsafe { fill(base, 7, 1) };
    let seen = region(sys::getpid() as i32, base)?;
    expect_eq!(seen.kind, RegionUse::Shared as u32, "the kind");
    expect_eq!(
        (seen.resident, seen.shared),
        (7, 7),
        "resident and shared pages"
    );
    // SAFETY: nothing uses the pages.
    unsafe { mem::munmap(base as *mut u8, PAGES * PAGE_SIZE) }.or_fail("unmap it")
}
