//! Fork bombs, alone and beside a memory hog.

use crate::witness::Witness;
use abi::MapFlags;
use harness::{
    Expect, Kid, Outcome, Tally, Test, grow_touched, hog_status, is_strict, map, peek, poke,
};
use harness::{expect, expect_eq, tests};
use ulib::process::{self, Command, Fork};
use ulib::string::String;
use ulib::thread;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "bomb" = bomb,
    "bomb-with-memory" = bomb_with_memory,
    "bomb-and-hog" = bomb_and_hog,
    "bomb-of-hogs" = bomb_of_hogs;
    slow:;
};

/// Duration of a bomb in ticks.
const TICKS: usize = 15;

/// A page shared with a bomb: a non-zero first byte stops it.
#[derive(Clone, Copy)]
struct Fuse(usize);

impl Fuse {
    fn new() -> Result<Fuse, String> {
        let page = map(1, MapFlags::SHARED).ok_or("expected a shared page, saw -1")?;
        // Touched now: stopping the bomb must need no memory.
        // SAFETY: the page is ours.
        unsafe { poke(page, 0) };
        Ok(Fuse(page))
    }

    fn is_out(self) -> bool {
        peek(self.0) != 0
    }

    fn put_out(self) {
        // SAFETY: the page is ours, and looked at with `peek` alone.
        unsafe { poke(self.0, 1) };
    }
}

/// Forks in every process, as often as possible; each process touches `pages` pages.
fn explode(fuse: Fuse, pages: usize) -> i32 {
    while !fuse.is_out() {
        match process::fork() {
            Ok(Fork::Child) => {
                if pages > 0 {
                    let _ = grow_touched(pages);
                }
            }
            Ok(Fork::Parent(_)) => {}
            Err(_) => thread::sleep_ticks(1),
        }
    }
    0
}

/// Runs a bomb for a while beside `beside`, and waits until all of it is gone.
fn while_bombed(pages: usize, beside: impl FnOnce() -> Outcome) -> Outcome {
    let witness = Witness::start()?;
    let (fuse, tally) = (Fuse::new()?, Tally::new()?);
    let first = Kid::start(|| {
        tally.report(1);
        explode(fuse, pages)
    })?;
    let mut reports = tally.listen();
    expect_eq!(reports.hear()?, 1, "the bomb's first report");
    let outcome = beside();
    thread::sleep_ticks(TICKS);
    fuse.put_out();
    // Ends when the last process is gone.
    let more = reports.count()?;
    expect_eq!(more, 0, "reports of the bomb's other processes");
    let status = first.wait()?.code();
    expect!(
        status == 0 || status == abi::KILLED && !is_strict(),
        "the first of the bomb to end or be ended, saw {status}"
    );
    outcome?;
    witness.speak()?;
    // Programs run again.
    for _ in 0..20 {
        let status = Command::new("/echo")
            .arg("-")
            .stdout(ulib::fs::File::create("out").or_fail("create a file")?)
            .status()
            .or_fail("start a program after a bomb")?;
        expect_eq!(status.code(), 0, "status of a program after a bomb");
    }
    Ok(())
}

fn bomb() -> Outcome {
    while_bombed(0, || Ok(()))
}

/// Each process of the bomb holds more pages than the witness.
fn bomb_with_memory() -> Outcome {
    while_bombed(100, || Ok(()))
}

fn hog() {
    while grow_touched(64).is_ok() {}
}

fn bomb_and_hog() -> Outcome {
    while_bombed(100, || {
        for _ in 0..3 {
            // The fork may fail.
            match process::fork_with(|| {
                hog();
                0
            }) {
                Ok(pid) => {
                    let status = process::wait_for(pid).or_fail("wait for the hog")?;
                    expect_eq!(status.code(), hog_status(), "status of the hog");
                }
                Err(_) => thread::sleep_ticks(1),
            }
        }
        Ok(())
    })
}

/// Each process of the bomb is a memory hog.
fn bomb_of_hogs() -> Outcome {
    while_bombed(1500, || Ok(()))
}
