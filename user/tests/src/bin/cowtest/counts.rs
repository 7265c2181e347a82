//! Page counts: fork copies nothing, a write copies its page, the last owner copies nothing.

use crate::pages::{MANY, PROCESS, Pages};
use abi::PAGE_SIZE;
use harness::{Expect, Gate, Kid, Outcome, Stay, Tally, Test, available, taken_since};
use harness::{expect, expect_eq, tests};
use ulib::process::{self, Command};
use ulib::sys;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "fork-copies-no-page" = fork_copies_no_page,
    "reading-copies-no-page" = reading_copies_no_page,
    "writing-copies-what-is-written" = writing_copies,
    "written-twice-copied-once" = written_twice,
    "last-owner-copies-nothing" = last_owner,
    "last-owner-in-the-child" = last_owner_in_the_child,
    "fork-and-exec" = fork_and_exec;
    slow:;
};

fn fork_copies_no_page() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    for _ in 0..2 {
        let before = available()?;
        let child = Stay::start(|| 0)?;
        let taken = taken_since(before)?;
        expect!(
            taken < PROCESS,
            "a fork of {MANY} pages to take less than {PROCESS}, saw {taken}"
        );
        child.end("a child that stays")?;
    }
    pages.holds(1, "the parent's")
}

fn reading_copies_no_page() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(5);
    let before = available()?;
    let child = Stay::start(|| pages.status(5))?;
    pages.holds(5, "the parent's")?;
    let taken = taken_since(before)?;
    expect!(
        taken < PROCESS,
        "reading {MANY} pages in both to take less than {PROCESS}, saw {taken}"
    );
    child.end("a child that stays")
}

fn writing_copies() -> Outcome {
    let pages = Pages::new(MANY)?;
    let before = available()?;
    let child = Stay::start(|| {
        pages.part(100, 300).fill(2);
        0
    })?;
    let taken = taken_since(before)?;
    expect!(
        (300..300 + PROCESS).contains(&taken),
        "300 copies and the process's own, saw {taken}"
    );
    child.end("a child that stays")?;
    let left = taken_since(before)?;
    expect!(left < PROCESS, "all copies back, saw {left} taken");
    Ok(())
}

fn written_twice() -> Outcome {
    let pages = Pages::new(MANY)?;
    let before = available()?;
    let child = Stay::start(|| {
        for byte in 1..5 {
            pages.part(0, 200).fill(byte);
        }
        pages.part(0, 200).status(4)
    })?;
    let taken = taken_since(before)?;
    expect!(
        (200..200 + PROCESS).contains(&taken),
        "200 copies and the process's own, saw {taken}"
    );
    child.end("a child that stays")
}

/// After the child exits, the parent writes without copying.
fn last_owner() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    for byte in 2..4 {
        let child = Stay::start(|| 0)?;
        child.end("a child that stays")?;
        let before = available()?;
        pages.fill(byte);
        let taken = taken_since(before)?;
        expect!(taken <= 2, "no copies by the last owner, saw {taken} pages");
        pages.holds(byte, "the parent's")?;
    }
    Ok(())
}

/// After the parent frees the pages, the child writes without copying.
fn last_owner_in_the_child() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    let gate = Gate::new()?;
    let tally = Tally::new()?;
    let before = available()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = pages.status(1);
        pages.fill(2);
        tally.report((seen + pages.status(2)) as u8);
        loop {
            core::hint::spin_loop();
        }
    })?;
    // SAFETY: nothing was allocated since, and the pages are not used here any more.
    let old = unsafe { sys::sbrk(-((MANY * PAGE_SIZE) as isize)) };
    expect_eq!(old as usize, pages.at(MANY), "the break before");
    let mut reports = tally.listen();
    gate.open();
    expect_eq!(reports.hear()?, 0, "what the child found");
    let taken = taken_since(before)?;
    expect!(
        taken < PROCESS,
        "{MANY} pages to pass to the child without copies, saw {taken} taken"
    );
    child.kill("pages passed on")
}

/// As a shell does: a large process forks and the child execs.
fn fork_and_exec() -> Outcome {
    let pages = Pages::new(4 * MANY)?;
    pages.fill(1);
    let before = available()?;
    for _ in 0..3 {
        let (output, status) = Command::new("/echo")
            .arg("hello")
            .output()
            .or_fail("run a program")?;
        expect_eq!(status.code(), 0, "status of the program");
        expect_eq!(output.as_slice(), b"hello\n", "what the program says");
    }
    let child = Command::new("/cat")
        .stdin(process::Stdio::piped())
        .spawn()
        .or_fail("start a program")?;
    ulib::thread::sleep_ticks(2);
    let taken = taken_since(before)?;
    expect!(
        taken < 2 * PROCESS,
        "a program started from {} pages without copies of them, saw {taken} taken",
        pages.count
    );
    let mut child = child;
    let status = child.wait().or_fail("wait for the program")?;
    expect_eq!(status.code(), 0, "status of the program");
    pages.holds(1, "the parent's")
}
