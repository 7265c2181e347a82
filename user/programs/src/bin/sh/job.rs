//! Job control. A shell at a terminal makes each pipeline a process group, so that Ctrl-C ends that
//! group only. A shell without a terminal makes no groups: its children belong to its own job.

use abi::{INTERRUPTED, NO_GROUP};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use ulib::io::{self, Read};
use ulib::process::{self, Fork};

/// The terminal.
const TERMINAL: i32 = 0;

/// Whether job control is on.
static CONTROLS: AtomicBool = AtomicBool::new(false);
/// Background children not yet reaped.
static BACKGROUND: AtomicUsize = AtomicUsize::new(0);

/// The foreground group before this shell.
static PREVIOUS: AtomicI32 = AtomicI32::new(NO_GROUP);

/// Turns job control on.
pub(crate) fn control() {
    CONTROLS.store(true, Ordering::Relaxed);
    let before = process::tcgetpgrp(TERMINAL).unwrap_or(NO_GROUP);
    PREVIOUS.store(before, Ordering::Relaxed);
    give_terminal(NO_GROUP);
}

/// Returns the terminal to the job that the shell is part of.
pub(crate) fn leave() {
    if controls() {
        give_terminal(PREVIOUS.load(Ordering::Relaxed));
    }
}

fn controls() -> bool {
    CONTROLS.load(Ordering::Relaxed)
}

/// Fails harmlessly if the terminal or the group is gone.
fn give_terminal(group: i32) {
    let _ = process::tcsetpgrp(TERMINAL, group);
}

/// The processes of a pipeline. A foreground job has the terminal until it is dropped.
pub(crate) struct Job {
    in_foreground: bool,
    /// The group leader: the first process.
    leader: Option<i32>,
}

impl Job {
    /// A foreground job.
    pub(crate) fn foreground() -> Job {
        Job {
            in_foreground: true,
            leader: None,
        }
    }

    /// A background job.
    pub(crate) fn background() -> Job {
        Job {
            in_foreground: false,
            leader: None,
        }
    }

    /// Forks a process of the job.
    pub(crate) fn fork(&mut self) -> io::Result<Fork> {
        let fork = process::fork()?;
        if controls() {
            // Both parent and child set the group, since either may run first.
            match fork {
                Fork::Child => self.add(process::id()),
                Fork::Parent(pid) => self.add(pid),
            }
        }
        match fork {
            Fork::Child => CONTROLS.store(false, Ordering::Relaxed),
            Fork::Parent(_) if !self.in_foreground => {
                BACKGROUND.fetch_add(1, Ordering::Relaxed);
            }
            Fork::Parent(_) => {}
        }
        Ok(fork)
    }

    fn add(&mut self, pid: i32) {
        let leader = *self.leader.get_or_insert(pid);
        // Fails harmlessly if it has exited.
        let _ = process::setpgid(pid, leader);
        if self.in_foreground && pid == leader {
            give_terminal(leader);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.in_foreground && controls() {
            give_terminal(NO_GROUP);
        }
    }
}

/// A background child was reaped.
pub(crate) fn reaped() {
    let _ = BACKGROUND.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
}

/// Waits for all background children; returns the exit status.
pub(crate) fn wait_for_background() -> i32 {
    if !controls() || BACKGROUND.load(Ordering::Relaxed) == 0 {
        while process::wait().is_ok() {}
        return 0;
    }
    match wait_in_foreground() {
        Ok(status) => status,
        Err(error) => crate::run::cannot_fork(error),
    }
}

/// Waits in the foreground. Ctrl-C must interrupt the wait without ending the shell, so a helper
/// process becomes the foreground group; when Ctrl-C ends it, the shell stops waiting.
fn wait_in_foreground() -> io::Result<i32> {
    let (mut read, write) = process::pipe()?;
    let mut job = Job::foreground();
    let stand_in = match job.fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop(write);
            let _ = read.read(&mut [0]);
            process::exit(0)
        }
    };
    while BACKGROUND.load(Ordering::Relaxed) > 0 {
        match process::wait() {
            Ok((pid, _)) if pid == stand_in => return Ok(INTERRUPTED),
            Ok(_) => reaped(),
            Err(_) => return Ok(0),
        }
    }
    drop(write);
    process::wait().map(|_| 0)
}
