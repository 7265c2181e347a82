//! Processes: fork, exit, wait, process IDs, time.

use harness::{Expect, Gate, Kid, Outcome, Tally, Test, ends_with};
use harness::{expect, expect_eq, tests};
use ulib::fs::File;
use ulib::io::{Read, Write};
use ulib::process::{self, Fork};
use ulib::vec::Vec;
use ulib::{sys, thread, time};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "exit-status" = exit_status,
    "wait-without-children" = wait_without_children,
    "wait-for-null" = wait_for_null,
    "wait-any-order" = wait_any_order,
    "fork-and-wait" = fork_and_wait,
    "pid-of-child" = pid_of_child,
    "orphans" = orphans,
    "orphans-that-ended" = orphans_that_ended,
    "reparent-many" = reparent_many,
    "exit-of-parent-and-child" = exit_of_both,
    "files-of-fork" = files_of_fork,
    "sleep" = sleep,
    "preempt" = preempt;
    slow:
    "pids-differ" = pids_differ,
    "fork-until-limit" = fork_until_limit,
    "fork-tree" = fork_tree;
};

/// The process limit is below this.
const LIMIT: usize = 1000;

fn exit_status() -> Outcome {
    for status in [0, 1, 2, 42, 127, 255, 256, 100_000, i32::MAX, -2, i32::MIN] {
        ends_with(status, "that status", || status)?;
    }
    Ok(())
}

fn wait_without_children() -> Outcome {
    // SAFETY: null is allowed.
    let seen = unsafe { sys::wait(core::ptr::null_mut()) };
    expect_eq!(seen, -1, "wait without children");
    // A grandchild is no child.
    ends_with(0, "waiting for its parent's child", || {
        i32::from(process::wait().is_ok())
    })
}

fn wait_for_null() -> Outcome {
    let child = process::fork_with(|| 5).or_fail("fork")?;
    // SAFETY: null is allowed.
    let seen = unsafe { sys::wait(core::ptr::null_mut()) };
    expect_eq!(seen, child as isize, "wait(null)");
    Ok(())
}

fn wait_any_order() -> Outcome {
    let gate = Gate::new()?;
    let mut kids = Vec::new();
    for status in 0..20 {
        kids.push(Kid::start(|| {
            gate.pass();
            status
        })?);
    }
    gate.open();
    for (status, kid) in kids.into_iter().enumerate().rev() {
        kid.ends_with(status as i32, "its own status")?;
    }
    Ok(())
}

fn fork_and_wait() -> Outcome {
    for round in 0..200 {
        ends_with(round, "that round", || round)?;
    }
    Ok(())
}

fn pid_of_child() -> Outcome {
    let parent = process::id();
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    for _ in 0..20 {
        let child = Kid::start(|| {
            let told = write.write_all(&process::id().to_le_bytes());
            i32::from(told.is_err())
        })?;
        let mut bytes = [0; 4];
        read.read_exact(&mut bytes)
            .or_fail("read the child's process ID")?;
        expect_eq!(
            i32::from_le_bytes(bytes),
            child.id(),
            "the number the child has"
        );
        expect!(child.id() != parent, "another number than the parent's");
        child.ends_with(0, "telling its number")?;
    }
    expect_eq!(process::id(), parent, "the parent's number");
    Ok(())
}

/// Children whose parent exits first; their pipe shows when the last one is gone.
fn orphans() -> Outcome {
    let tally = Tally::new()?;
    let gate = Gate::new()?;
    let parent = Kid::start(|| {
        for _ in 0..5 {
            let started = process::fork_with(|| {
                gate.pass();
                tally.report(1);
                0
            });
            if started.is_err() {
                return 1;
            }
        }
        0
    })?;
    parent.ends_with(0, "leaving orphans")?;
    gate.open();
    let count = tally.listen().count()?;
    expect_eq!(count, 5, "orphans that ran on");
    Ok(())
}

/// Children that are zombies when their parent exits.
fn orphans_that_ended() -> Outcome {
    ends_with(0, "leaving ended children", || {
        let Ok(tally) = Tally::new() else { return 1 };
        for _ in 0..20 {
            if process::fork_with(|| 0).is_err() {
                return 1;
            }
        }
        // Returns when all children have closed their write ends.
        i32::from(tally.listen().count() != Ok(0))
    })
}

fn reparent_many() -> Outcome {
    for _ in 0..30 {
        ends_with(0, "leaving a running child", || {
            for _ in 0..3 {
                if process::fork_with(|| i32::from(process::fork_with(|| 0).is_err())).is_err() {
                    return 1;
                }
            }
            0
        })?;
    }
    Ok(())
}

/// Parent and child exit concurrently.
fn exit_of_both() -> Outcome {
    for _ in 0..50 {
        let gate = Gate::new()?;
        let parent = Kid::start(|| match process::fork() {
            Ok(Fork::Child | Fork::Parent(_)) => {
                gate.pass();
                0
            }
            Err(_) => 1,
        })?;
        gate.open();
        parent.ends_with(0, "ending beside its child")?;
    }
    Ok(())
}

/// Parent and child share file offsets.
fn files_of_fork() -> Outcome {
    ulib::fs::write("file", b"abcdef").or_fail("write a file")?;
    let mut file = File::open("file").or_fail("open a file")?;
    let mut pair = [0; 2];
    file.read_exact(&mut pair).or_fail("read")?;
    ends_with(0, "reading on", || {
        let mut pair = [0; 2];
        i32::from(file.read_exact(&mut pair).is_err() || pair != *b"cd")
    })?;
    file.read_exact(&mut pair)
        .or_fail("read on after the child")?;
    expect_eq!(pair, *b"ef", "what the parent reads after the child");
    Ok(())
}

fn sleep() -> Outcome {
    let start = time::uptime();
    thread::sleep_ticks(0);
    thread::sleep_ticks(3);
    let slept = time::uptime() - start;
    expect!(
        (3..100).contains(&slept),
        "3 ticks or a little more, saw {slept}"
    );
    Ok(())
}

/// Processes that never yield, three for each possible hart.
fn preempt() -> Outcome {
    let spinning: Vec<Kid> = (0..24).map(|_| Kid::spinning()).collect::<Result<_, _>>()?;
    // A pipe that must still make progress.
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let child = Kid::start(|| i32::from(write.write_all(&[7; 5]).is_err()))?;
    let mut bytes = [0; 5];
    read.read_exact(&mut bytes).or_fail("read from the child")?;
    child.ends_with(0, "writing while others spin")?;
    spinning
        .into_iter()
        .try_for_each(|kid| kid.kill("spinning"))
}

fn pids_differ() -> Outcome {
    let mut numbers = Vec::new();
    for _ in 0..1500 {
        let number = process::fork_with(|| 0).or_fail("fork")?;
        process::wait().or_fail("wait")?;
        expect!(number > 0, "a number above 0, saw {number}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    expect_eq!(twice, 0, "numbers given twice");
    Ok(())
}

fn fork_until_limit() -> Outcome {
    for _ in 0..2 {
        let gate = Gate::new()?;
        let mut started = 0;
        while started < LIMIT {
            let child = process::fork_with(|| {
                gate.pass();
                0
            });
            if child.is_err() {
                break;
            }
            started += 1;
        }
        expect!(
            (30..LIMIT).contains(&started),
            "30 to {LIMIT} processes, saw {started}"
        );
        gate.open();
        for _ in 0..started {
            let (_, status) = process::wait().or_fail("wait")?;
            expect!(status.success(), "status 0, saw {status}");
        }
        // SAFETY: null is allowed.
        let more = unsafe { sys::wait(core::ptr::null_mut()) };
        expect_eq!(more, -1, "wait when all are reaped");
    }
    ends_with(3, "forking after the limit was reached", || 3)
}

/// A binary tree of forks, six generations deep.
fn fork_tree() -> Outcome {
    fn grow(depth: u32, tally: &Tally) -> bool {
        tally.report(1);
        if depth == 0 {
            return true;
        }
        let kids: Result<Vec<Kid>, _> = (0..2)
            .map(|_| Kid::start(|| i32::from(!grow(depth - 1, tally))))
            .collect();
        kids.is_ok_and(|kids| {
            kids.into_iter()
                .all(|kid| kid.ends_with(0, "growing").is_ok())
        })
    }
    let tally = Tally::new()?;
    let root = Kid::start(|| i32::from(!grow(6, &tally)))?;
    let count = tally.listen().count()?;
    root.ends_with(0, "a tree of processes")?;
    expect_eq!(count, 127, "processes in the tree");
    Ok(())
}
