//! Ctrl-C. Each test waits until all its processes run, asks for the key, and waits until the last
//! process that it must end is gone.

use abi::{INTERRUPTED, NO_GROUP};
use core::hint::black_box;
use harness::{Expect, Kid, Outcome, Tally, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::File;
use ulib::io::{Read, Write, stdin};
use ulib::process::{self, Command, Fork, getpgid, setpgid, tcgetpgrp, tcsetpgrp};
use ulib::vec::Vec;
use ulib::{println, thread};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "key-reads" = reads,
    "key-computes" = computes,
    "key-sleeps" = sleeps,
    "key-waits" = waits,
    "key-pipeline" = pipeline,
    "key-writes" = writes,
    "key-runs" = runs,
    "key-crowd" = crowd,
    "key-forks" = forks,
    "key-fork-chain" = fork_chain,
    "key-fork-bomb" = fork_bomb,
    "key-touches" = touches,
    "key-background" = background,
    "key-nobody" = nobody,
    "key-input" = input;
    slow:;
};

const TERMINAL: i32 = 0;

/// The foreground group, restored on drop.
struct Foreground {
    before: i32,
}

impl Foreground {
    fn give(group: i32) -> Result<Foreground, ulib::string::String> {
        let before = tcgetpgrp(TERMINAL).or_fail("get the foreground group")?;
        tcsetpgrp(TERMINAL, group).or_fail("set the foreground group")?;
        Ok(Foreground { before })
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = tcsetpgrp(TERMINAL, self.before);
    }
}

fn ask(what: &str) {
    println!("press Ctrl-C: {what}");
}

/// Starts a foreground job that runs `run`. It reports `reports` times once all its processes are
/// where the key must reach them. Ctrl-C must end all of it.
fn is_ended(what: &str, reports: usize, run: impl FnOnce(&Tally) -> i32) -> Outcome {
    let tally = Tally::new()?;
    let leader = Kid::start(|| match setpgid(0, 0) {
        Ok(()) => run(&tally),
        Err(_) => 1,
    })?;
    setpgid(leader.id(), leader.id()).or_fail("make a job")?;
    let foreground = Foreground::give(leader.id())?;
    let mut job = tally.listen();
    for _ in 0..reports {
        job.hear()?;
    }
    ask(what);
    leader.ends_with(INTERRUPTED, what)?;
    // Ends when all reporters are gone.
    job.count()?;
    drop(foreground);
    Ok(())
}

fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Reads lines until the end of input.
fn read_on() -> i32 {
    let mut line = [0; 40];
    while stdin().read(&mut line).is_ok_and(|count| count > 0) {}
    1
}

/// Runs `act` forever, and reports the first `reports` times: more would fill the pipe.
fn for_ever(tally: &Tally, reports: usize, mut act: impl FnMut()) -> ! {
    for time in 0_usize.. {
        act();
        if time < reports {
            tally.report(0);
        }
    }
    spin()
}

fn reads() -> Outcome {
    is_ended("reads the console", 1, |tally| {
        tally.report(0);
        read_on()
    })
}

fn computes() -> Outcome {
    is_ended("computes", 1, |tally| {
        tally.report(0);
        spin()
    })
}

fn sleeps() -> Outcome {
    is_ended("sleeps", 1, |tally| {
        tally.report(0);
        thread::sleep_ticks(1 << 30);
        0
    })
}

/// Three generations.
fn waits() -> Outcome {
    is_ended("waits for a child", 3, |tally| {
        let lowest = || {
            tally.report(0);
            spin()
        };
        let middle = || {
            tally.report(0);
            i32::from(Kid::start(lowest).is_ok_and(|kid| kid.wait().is_ok()))
        };
        tally.report(0);
        i32::from(Kid::start(middle).is_ok_and(|kid| kid.wait().is_ok()))
    })
}

/// A pipeline that reads the console.
fn pipeline() -> Outcome {
    is_ended("a pipeline", 3, |tally| {
        let Ok((mut read, write)) = process::pipe() else {
            return 1;
        };
        let kids = [
            Kid::start(|| {
                tally.report(0);
                read_on()
            }),
            Kid::start(|| {
                drop(write);
                tally.report(0);
                i32::from(read.read(&mut [0]).is_err())
            }),
        ];
        tally.report(0);
        kids.into_iter().flatten().for_each(|kid| drop(kid.wait()));
        0
    })
}

fn writes() -> Outcome {
    is_ended("writes to a full pipe", 1, |tally| {
        let Ok((_read, mut write)) = process::pipe() else {
            return 1;
        };
        let filled = write.write_all(&[0; abi::PAGE_SIZE]);
        tally.report(0);
        i32::from(filled.is_err() || write.write_all(&[0]).is_err())
    })
}

/// Runs programs in a loop; the key ends whichever runs.
fn runs() -> Outcome {
    is_ended("runs programs", 3, |tally| {
        for_ever(tally, 3, || {
            let _ =
                File::create("null").and_then(|null| Command::new("/echo").stdout(null).status());
        })
    })
}

/// Number of processes.
const CROWD: usize = 300;

fn crowd() -> Outcome {
    is_ended("300 processes", CROWD, |tally| {
        let Ok((read, write)) = process::pipe() else {
            return 1;
        };
        let mut kids = Vec::new();
        for number in 1..CROWD {
            let member = || {
                tally.report(0);
                match number % 4 {
                    0 => spin(),
                    1 => thread::sleep_ticks(1 << 30),
                    2 => drop((&read).read(&mut [0])),
                    _ => return read_on(),
                }
                1
            };
            match Kid::start(member) {
                Ok(kid) => kids.push(kid),
                Err(_) => return 1,
            }
        }
        tally.report(0);
        kids.into_iter().for_each(|kid| drop(kid.wait()));
        drop(write);
        1
    })
}

/// Forks children that exit at once, forever.
fn forks() -> Outcome {
    is_ended("forks all the time", 50, |tally| {
        for_ever(tally, 50, || drop(Kid::start(|| 0).map(Kid::wait)))
    })
}

/// Each process forks and exits; only init reaps.
fn fork_chain() -> Outcome {
    is_ended("forks and ends all the time", 50, |tally| {
        let link = process::fork_with(|| {
            for_ever(tally, 50, || {
                if matches!(process::fork(), Ok(Fork::Parent(_))) {
                    process::exit(0);
                }
            })
        });
        match link {
            Ok(_) => spin(),
            Err(_) => 1,
        }
    })
}

/// A fork bomb at the limit of processes. Only the first reports: among so many each runs rarely.
fn fork_bomb() -> Outcome {
    is_ended("a fork bomb", 1, |tally| {
        let mut tells = true;
        loop {
            match process::fork() {
                Ok(Fork::Child) => tells = false,
                Ok(Fork::Parent(_)) => {}
                Err(_) if tells => {
                    tally.report(0);
                    tells = false;
                }
                Err(_) => {}
            }
        }
    })
}

/// Allocates and frees pages.
fn touches() -> Outcome {
    is_ended("touches memory", 2, |tally| {
        for_ever(tally, 2, || {
            let pages: Vec<u8> = core::iter::repeat_n(1, 64 * abi::PAGE_SIZE).collect();
            black_box(&pages);
        })
    })
}

/// A background job goes on.
fn background() -> Outcome {
    let other = Kid::spinning()?;
    setpgid(other.id(), 0).or_fail("make a group")?;
    is_ended("one of two jobs", 1, |tally| {
        tally.report(0);
        spin()
    })?;
    let group = getpgid(other.id()).or_fail("get the other's group")?;
    expect_eq!(group, other.id(), "group of the background process");
    other.kill("the background job")
}

/// With no foreground group the reader gets an empty line for what was typed. A finished line could
/// be read before the key comes.
fn nobody() -> Outcome {
    let foreground = Foreground::give(NO_GROUP)?;
    println!("press only Ctrl-C: nobody is ended");
    let mut line = [0; 40];
    let count = stdin().read(&mut line).or_fail("read a line")?;
    expect_eq!(&line[..count], b"\n", "the line after Ctrl-C");
    drop(foreground);
    Ok(())
}

/// Input typed before the key is dropped; input after it is read.
fn input() -> Outcome {
    computes()?;
    println!("press Enter");
    let mut line = [0; 40];
    let count = stdin().read(&mut line).or_fail("read a line")?;
    expect!(
        line[..count] == *b"\n",
        "an empty line, saw {:?}",
        &line[..count]
    );
    Ok(())
}
