//! `stormtest`: many processes fork, kill and wait for each other on all harts. A lost wakeup or
//! process shows as a test that hangs.
#![no_std]
#![no_main]

use core::hint::black_box;
use harness::random::Random;
use harness::{Expect, Kid, Outcome, Test, suite};
use harness::{expect_eq, tests};
use ulib::io::{Read, Write};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{main, process, thread};

main!(main);

const TESTS: &[Test] = tests! {
    quick: "pipe-of-killed" = pipe_of_killed;
    slow: "fork-and-kill" = fork_and_kill;
};

fn main() -> i32 {
    suite(&[TESTS])
}

/// Processes with a child and perhaps a grandchild each: up to 180 at once.
const FAMILIES: usize = 60;
/// Children of a family, one after the other.
const CHILDREN: usize = 25;

/// Every third family runs until it is killed.
fn fork_and_kill() -> Outcome {
    let mut families = Vec::new();
    for number in 0..FAMILIES {
        let children = if number % 3 == 0 {
            usize::MAX
        } else {
            CHILDREN
        };
        families.push(Kid::start(|| family(number, children))?);
    }
    for (number, kid) in families.into_iter().enumerate() {
        match number % 3 {
            0 => kid.kill("a family")?,
            _ => kid.ends_with(0, "a family")?,
        }
    }
    Ok(())
}

fn family(number: usize, children: usize) -> i32 {
    let mut random = Random::new(number as u64);
    let all = (0..children).try_for_each(|_| raise(&mut random));
    i32::from(all.is_err())
}

/// Forks one child, which exits or is killed.
fn raise(random: &mut Random) -> Outcome {
    // Blocked readers see end of file when this process exits.
    let (mut read, write) = process::pipe().or_fail("create a pipe")?;
    let kind = random.below(6);
    let steps = random.below(20_000);
    let kid = Kid::start(|| {
        ulib::sys::close(write.as_raw_fd());
        match kind {
            0 => 0,
            1 => i32::from(read.read(&mut [0]).is_ok_and(|count| count > 0)),
            2 => {
                thread::sleep_ticks(1);
                0
            }
            3 => compute(steps),
            // Orphans the child.
            4 => i32::from(process::fork_with(|| compute(steps)).is_err()),
            _ => i32::from(process::fork_with(|| 0).is_err() || process::wait().is_err()),
        }
    })?;
    compute(random.below(20_000));
    if random.below(2) == 0 {
        let _ = process::kill(kid.id());
        let status = kid.wait()?.code();
        return match status {
            0 | abi::KILLED => Ok(()),
            _ => Err(String::from("a child ended in an odd way")),
        };
    }
    drop(write);
    kid.ends_with(0, "a child")
}

fn compute(steps: usize) -> i32 {
    for step in 0..steps {
        black_box(step);
    }
    0
}

/// Processes that read from and write to one pipe.
const CROWD: usize = 24;

/// Kills processes blocked on one pipe in any order; the last one can still use it.
fn pipe_of_killed() -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let (mut read, mut write) = (&read, &write);
        crowd.push(Kid::start(move || {
            let mut piece = [0; 700];
            loop {
                let done = match number % 2 {
                    0 => read.read(&mut piece).map(drop),
                    _ => write.write_all(&piece),
                };
                if done.is_err() {
                    return 1;
                }
            }
        })?);
    }
    Random::new(3).shuffle(&mut crowd);
    for kid in crowd {
        // Gives the crowd a moment to run.
        Kid::start(|| compute(20_000))?.ends_with(0, "a moment")?;
        kid.kill("one pipe")?;
    }
    let last = Kid::start(|| {
        let mut byte = [0];
        while byte != *b"!" {
            if !matches!(read.read(&mut byte), Ok(1)) {
                return 1;
            }
        }
        0
    })?;
    write.write_all(b"!").or_fail("write to the pipe")?;
    let status = last.wait()?.code();
    expect_eq!(status, 0, "status of the last reader");
    Ok(())
}
