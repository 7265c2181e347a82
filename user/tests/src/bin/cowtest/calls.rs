//! Copy on write in system calls.

use crate::pages::Pages;
use harness::{Expect, Gate, Kid, Outcome, Test, ends_with, peek};
use harness::{expect_eq, tests};
use ulib::fs::{self, File};
use ulib::vec::Vec;
use ulib::{format, process, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "file" = copies_in_read,
    "file-in-parent" = copies_in_read_of_the_parent,
    "pipe" = copies_from_a_pipe,
    "wait" = copies_in_wait;
    slow:;
};

const TEXT: &[u8] = b"what the kernel copies to memory that others share";

/// `read` into shared pages copies them.
fn copies_in_read() -> Outcome {
    let pages = Pages::new(2)?;
    pages.fill(1);
    fs::write("file", TEXT).or_fail("write a file")?;
    let place = pages.at(1) - TEXT.len() / 2;
    for round in 0..4 {
        ends_with(0, "read into shared pages", || {
            let Ok(file) = File::open("file") else {
                return 1;
            };
            // SAFETY: the pages are ours.
            let n = unsafe { sys::read(file.as_raw_fd(), place as *mut u8, TEXT.len()) };
            let same = (0..TEXT.len()).all(|i| peek(place + i) == TEXT[i]);
            i32::from(n != TEXT.len() as isize || !same)
        })?;
        pages
            .holds(1, "the parent's")
            .map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}

fn copies_in_read_of_the_parent() -> Outcome {
    let pages = Pages::new(2)?;
    pages.fill(1);
    fs::write("file", TEXT).or_fail("write a file")?;
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        pages.status(1)
    })?;
    let file = File::open("file").or_fail("open a file")?;
    // SAFETY: the pages are ours.
    let n = unsafe { sys::read(file.as_raw_fd(), pages.base as *mut u8, TEXT.len()) };
    expect_eq!(n, TEXT.len() as isize, "bytes read");
    gate.open();
    child.ends_with(0, "its pages when the parent reads into its own")?;
    expect_eq!(peek(pages.base), TEXT[0], "the parent's byte");
    Ok(())
}

/// Several children read from a pipe into the same shared page.
fn copies_from_a_pipe() -> Outcome {
    let pages = Pages::new(1)?;
    pages.fill(99);
    let mut kids = Vec::new();
    for number in 0..4_u8 {
        let (from, to) = process::pipe().or_fail("create a pipe")?;
        kids.push(Kid::start(|| {
            // SAFETY: the page is ours.
            let n = unsafe { sys::read(from.as_raw_fd(), pages.base as *mut u8, 1) };
            let seen = [peek(pages.base), peek(pages.at(1) - 1)];
            i32::from(n != 1 || seen != [number, 99])
        })?);
        let n = sys::write(to.as_raw_fd(), &raw const number, 1);
        expect_eq!(n, 1, "bytes written");
    }
    for kid in kids {
        kid.ends_with(0, "read from a pipe into a shared page")?;
    }
    pages.holds(99, "the parent's")
}

/// `wait` stores a status into a shared page.
fn copies_in_wait() -> Outcome {
    let pages = Pages::new(1)?;
    pages.fill(1);
    ends_with(0, "wait into a shared page", || {
        if process::fork_with(|| 0x0707).is_err() {
            return 1;
        }
        // SAFETY: the page is ours.
        let waited = unsafe { sys::wait((pages.base + 8) as *mut i32) };
        i32::from(waited < 0 || peek(pages.base + 8) != 7 || peek(pages.base) != 1)
    })?;
    expect_eq!(peek(pages.base + 8), 0, "the parent's byte there");
    pages.holds(1, "the parent's")
}
