//! Memory too large to copy.

use crate::pages::Pages;
use harness::{Outcome, Stay, Test, available, ends_with, peek, poke};
use harness::{expect, tests};
use ulib::string::String;
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:;
    slow:
    "larger-than-half" = larger_than_half,
    "larger-than-half-three" = larger_than_half_three,
    "too-large-to-copy" = too_large_to_copy;
};

/// More than half of all memory, written by the parent.
fn most_of_memory() -> Result<Pages, String> {
    let pages = Pages::new(available()? as usize * 2 / 3)?;
    for page in 0..pages.count {
        // SAFETY: the pages are the test's own.
        unsafe { poke(pages.at(page), page as u8) };
    }
    Ok(pages)
}

fn numbers_hold(pages: Pages, but: usize) -> bool {
    (0..pages.count).all(|page| page == but || peek(pages.at(page)) == page as u8)
}

/// It can be forked, read by both, and written in parts.
fn larger_than_half() -> Outcome {
    let pages = most_of_memory()?;
    let child = Stay::start(|| {
        // SAFETY: the page is the child's own.
        unsafe { poke(pages.at(17), 200) };
        i32::from(!numbers_hold(pages, 17) || peek(pages.at(17)) != 200)
    })?;
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    child.end("a child that stays")
}

fn larger_than_half_three() -> Outcome {
    let pages = most_of_memory()?;
    let mut kids = Vec::new();
    for number in 0..3_u8 {
        kids.push(Stay::start(|| {
            let own = 1000 * usize::from(number);
            // SAFETY: the page is the child's own.
            unsafe { poke(pages.at(own), 100 + number) };
            i32::from(!numbers_hold(pages, own) || peek(pages.at(own)) != 100 + number)
        })?);
    }
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    // Later children hold the write end of earlier ones' pipes.
    kids.into_iter()
        .rev()
        .try_for_each(|kid| kid.end("one of three"))
}

/// A child that writes to too much is killed; the parent keeps its data.
fn too_large_to_copy() -> Outcome {
    let pages = most_of_memory()?;
    ends_with(abi::KILLED, "writing more than there is", || {
        for page in 0..pages.count {
            // SAFETY: the pages are the child's own.
            unsafe { poke(pages.at(page), 255) };
        }
        0
    })?;
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    ends_with(0, "a fork after that", || 0)
}
