//! Chains of forks, repeated forks, and many children.

use crate::pages::{MANY, PROCESS, Pages};
use harness::{Gate, Kid, Outcome, Tally, Test, available, ends_with, taken_since};
use harness::{expect, expect_eq, tests};
use ulib::process;
use ulib::string::String;
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "chain" = chain,
    "chain-each-writes" = chain_each_writes,
    "fork-in-a-loop" = fork_in_a_loop,
    "many-children" = many_children;
    slow:;
};

/// The twentieth generation sees the first one's data, without copies.
fn chain() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(7);
    let tally = Tally::new()?;
    let gate = Gate::new()?;
    let before = available()?;
    let first = Kid::start(|| {
        for _ in 0..19 {
            match process::fork() {
                Ok(process::Fork::Child) => continue,
                Ok(process::Fork::Parent(pid)) => {
                    gate.leave();
                    let status = process::wait_for(pid);
                    return status.map_or(9, |status| status.code());
                }
                Err(_) => return 8,
            }
        }
        tally.report(pages.status(7) as u8);
        gate.pass();
        0
    })?;
    let mut reports = tally.listen();
    expect_eq!(reports.hear()?, 0, "what the twentieth generation found");
    let taken = taken_since(before)?;
    expect!(
        taken < 20 * PROCESS,
        "20 processes without copies of {MANY} pages, saw {taken} taken"
    );
    gate.open();
    first.ends_with(0, "a chain of forks")
}

/// Each generation writes its own byte to all pages and checks it after its child exits.
fn chain_each_writes() -> Outcome {
    fn generation(pages: Pages, number: u8) -> i32 {
        let before = pages.status(number - 1);
        pages.fill(number);
        let child = if number < 10 {
            ends_with(0, "the next generation", || generation(pages, number + 1))
        } else {
            Ok(())
        };
        before + i32::from(child.is_err()) + pages.status(number)
    }
    let pages = Pages::new(100)?;
    pages.fill(0);
    ends_with(0, "ten generations", || generation(pages, 1))?;
    pages.holds(0, "the first generation's")
}

/// Repeated forks with writes on both sides lose no page and no data.
fn fork_in_a_loop() -> Outcome {
    let pages = Pages::new(50)?;
    for round in 0..100_u8 {
        pages.fill(round);
        let child = Kid::start(|| {
            let seen = pages.status(round);
            pages.part(usize::from(round) % 50, 1).fill(255);
            seen
        })?;
        if round % 2 == 0 {
            pages.part(usize::from(round / 2), 1).fill(round);
        }
        child.ends_with(0, "one of a hundred forks")?;
        pages.holds(round, "the parent's")?;
    }
    Ok(())
}

/// Twelve children each write a part; the rest stays the parent's.
fn many_children() -> Outcome {
    const EACH: usize = 40;
    let pages = Pages::new(12 * EACH)?;
    pages.fill(100);
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..12)
        .map(|number: usize| {
            Kid::start(|| {
                gate.pass();
                let own = pages.part(number * EACH, EACH);
                own.fill(number as u8);
                let behind = pages.part((number + 1) * EACH, (11 - number) * EACH);
                pages.part(0, number * EACH).status(100)
                    + own.status(number as u8)
                    + behind.status(100)
            })
        })
        .collect::<Result<_, String>>()?;
    gate.open();
    for kid in kids {
        kid.ends_with(0, "one of twelve")?;
    }
    pages.holds(100, "the parent's")
}
