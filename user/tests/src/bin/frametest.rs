//! `frametest [NAME…]`: the page allocator under load on all harts. Each process stamps the pages
//! that it gets, which reveals a page with two owners.
#![no_std]
#![no_main]

use abi::{MemInfoFlags, PAGE_SIZE};
use harness::random::Random;
use harness::{Expect, Gate, Kid, Outcome, Test, hog_status, suite};
use harness::{expect, expect_eq, tests};
use ulib::mem::{self, Mapping};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, main};

main!(main);

const TESTS: &[Test] = tests! {
    quick:
    "stamps" = stamps,
    "stamps-after-fork" = stamps_after_fork,
    "until-none-is-left" = until_none_is_left,
    "large-blocks-come-back" = large_blocks_come_back;
    slow:;
};

/// Concurrent processes: the limit of harts.
const PROCESSES: u64 = 8;
/// Most pages of one process.
const PAGES: usize = 600;
const ROUNDS: u64 = 12;
/// Order of a block of 2 MiB.
const LARGE: usize = 9;

fn main() -> i32 {
    suite(&[TESTS])
}

/// Pages with a stamp each.
struct Stamped {
    memory: Mapping,
    stamp: u64,
}

impl Stamped {
    /// Maps pages, checks that they are zero, and stamps them.
    fn get(pages: usize, stamp: u64) -> Result<Stamped, String> {
        let memory = Mapping::anonymous(pages * PAGE_SIZE).or_fail("map memory")?;
        let mut stamped = Stamped { memory, stamp };
        for (number, page) in stamped.memory.chunks_exact_mut(PAGE_SIZE).enumerate() {
            if page[..8] != [0; 8] || page[PAGE_SIZE - 8..] != [0; 8] {
                return Err(format!("expected zeros in fresh page {number}"));
            }
            page[..8].copy_from_slice(&(stamp + number as u64).to_le_bytes());
        }
        Ok(stamped)
    }

    /// Checks all stamps.
    fn check(&self) -> Outcome {
        for (number, page) in self.memory.chunks_exact(PAGE_SIZE).enumerate() {
            let expected = (self.stamp + number as u64).to_le_bytes();
            expect!(
                page[..8] == expected,
                "the own stamp in page {number}, saw {:02x?}",
                &page[..8]
            );
        }
        Ok(())
    }
}

/// Runs `act` in [`PROCESSES`] concurrent processes, each with a number.
fn everywhere(act: fn(u64) -> Outcome) -> Outcome {
    let gate = Gate::new()?;
    let mut children = Vec::new();
    for number in 1..=PROCESSES {
        children.push(Kid::start(|| {
            gate.pass();
            match act(number) {
                Ok(()) => 0,
                Err(error) => {
                    programs::cli::complain(format_args!("process {number}: {error}"));
                    1
                }
            }
        })?);
    }
    gate.open();
    children
        .into_iter()
        .try_for_each(|child| child.ends_with(0, "its own pages"))
}

fn stamps() -> Outcome {
    everywhere(|number| {
        let mut random = Random::new(number);
        for round in 0..ROUNDS {
            let mut sets = Vec::new();
            for set in 0..3 {
                let pages = 1 + random.below(PAGES / 3);
                sets.push(Stamped::get(pages, number << 48 | round << 32 | set << 24)?);
            }
            random.shuffle(&mut sets);
            for set in sets {
                set.check()?;
            }
        }
        Ok(())
    })
}

/// The child stamps shared pages anew; each side sees its own.
fn stamps_after_fork() -> Outcome {
    everywhere(|number| {
        let mut stamped = Stamped::get(PAGES / 3, number << 48)?;
        for round in 1..4 {
            let child = Kid::start(|| {
                let inherited = stamped.check().is_ok();
                for (page, stamp) in stamped.memory.chunks_exact_mut(PAGE_SIZE).zip(0..) {
                    let own: u64 = (number << 48 | round << 32) + stamp;
                    page[..8].copy_from_slice(&own.to_le_bytes());
                }
                stamped.stamp = number << 48 | round << 32;
                i32::from(!inherited || stamped.check().is_err())
            })?;
            stamped.check()?;
            child.ends_with(0, "stamping shared pages")?;
            stamped.check()?;
        }
        Ok(())
    })
}

/// All processes allocate until killed or, with strict accounting, refused; the harness checks for
/// leaks.
fn until_none_is_left() -> Outcome {
    let gate = Gate::new()?;
    let mut children = Vec::new();
    for number in 1..=PROCESSES {
        children.push(Kid::start(|| {
            gate.pass();
            let mut all = Vec::new();
            while let Ok(stamped) = Stamped::get(PAGES, number << 48) {
                all.push(stamped);
            }
            0
        })?);
    }
    gate.open();
    for child in children {
        child.ends_with(hog_status(), "memory that never ends")?;
    }
    Ok(())
}

fn large_blocks() -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::DROP_CACHES).or_fail("count free blocks")?;
    let large = info.blocks.iter().enumerate().skip(LARGE);
    Ok(large.map(|(order, count)| count << (order - LARGE)).sum())
}

/// After pages are allocated and freed in all orders, blocks have merged again.
fn large_blocks_come_back() -> Outcome {
    let before = large_blocks()?;
    stamps()?;
    let after = large_blocks()?;
    expect!(
        after * 100 >= before * 90,
        "at least 90 % of {before} free blocks of 2 MiB back, saw {after}"
    );
    expect_eq!(before > 0, true, "whether there were such blocks");
    Ok(())
}
