//! Jobs: what a shell at a terminal starts with one pipeline is a process group, so that Ctrl-C ends all
//! of it and nothing else. A shell that has no terminal makes no groups: what it starts belongs to the job
//! that it is part of itself.

use abi::{INTERRUPTED, NO_GROUP};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use ulib::io::{self, Read};
use ulib::process::{self, Fork};

/// The terminal.
const TERMINAL: i32 = 0;

/// Whether this process makes jobs.
static CONTROLS: AtomicBool = AtomicBool::new(false);
/// Children that run behind and were not collected.
static BEHIND: AtomicUsize = AtomicUsize::new(0);

/// What had the terminal before this shell did.
static BEFORE: AtomicI32 = AtomicI32::new(NO_GROUP);

/// From now on pipelines are jobs.
pub(crate) fn control() {
    CONTROLS.store(true, Ordering::Relaxed);
    let before = process::tcgetpgrp(TERMINAL).unwrap_or(NO_GROUP);
    BEFORE.store(before, Ordering::Relaxed);
    give_terminal(NO_GROUP);
}

/// The shell ends: the job that it was part of has the terminal again.
pub(crate) fn leave() {
    if controls() {
        give_terminal(BEFORE.load(Ordering::Relaxed));
    }
}

fn controls() -> bool {
    CONTROLS.load(Ordering::Relaxed)
}

/// Where this fails there is no terminal any more, or nobody left in the group.
fn give_terminal(group: i32) {
    let _ = process::tcsetpgrp(TERMINAL, group);
}

/// The processes of a pipeline. In the foreground they have the terminal, until this is dropped.
pub(crate) struct Job {
    in_front: bool,
    /// The first process, whose number is the group's.
    leader: Option<i32>,
}

impl Job {
    /// One that the shell waits for.
    pub(crate) fn in_front() -> Job {
        Job {
            in_front: true,
            leader: None,
        }
    }

    /// One that it does not wait for.
    pub(crate) fn behind() -> Job {
        Job {
            in_front: false,
            leader: None,
        }
    }

    /// Starts a process of the job.
    pub(crate) fn fork(&mut self) -> io::Result<Fork> {
        let fork = process::fork()?;
        if controls() {
            // Each of the two needs it done before it goes on.
            match fork {
                Fork::Child => self.add(process::id()),
                Fork::Parent(pid) => self.add(pid),
            }
        }
        match fork {
            Fork::Child => CONTROLS.store(false, Ordering::Relaxed),
            Fork::Parent(_) if !self.in_front => {
                BEHIND.fetch_add(1, Ordering::Relaxed);
            }
            Fork::Parent(_) => {}
        }
        Ok(fork)
    }

    fn add(&mut self, pid: i32) {
        let leader = *self.leader.get_or_insert(pid);
        // One that has ended meanwhile needs no group.
        let _ = process::setpgid(pid, leader);
        if self.in_front && pid == leader {
            give_terminal(leader);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.in_front && controls() {
            give_terminal(NO_GROUP);
        }
    }
}

/// A child that ran behind was collected.
pub(crate) fn collected() {
    let _ = BEHIND.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
}

/// Waits for all that run behind; the status.
pub(crate) fn wait_for_behind() -> i32 {
    if !controls() || BEHIND.load(Ordering::Relaxed) == 0 {
        while process::wait().is_ok() {}
        return 0;
    }
    match wait_in_front() {
        Ok(status) => status,
        Err(error) => crate::run::cannot_fork(error),
    }
}

/// Ctrl-C ends processes, and the shell it must not end; so a process that only waits for the shell is in
/// the foreground meanwhile, and when that one has ended, the shell waits no longer.
fn wait_in_front() -> io::Result<i32> {
    let (mut read, write) = process::pipe()?;
    let mut job = Job::in_front();
    let stand_in = match job.fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop(write);
            let _ = read.read(&mut [0]);
            process::exit(0)
        }
    };
    while BEHIND.load(Ordering::Relaxed) > 0 {
        match process::wait() {
            Ok((pid, _)) if pid == stand_in => return Ok(INTERRUPTED),
            Ok(_) => collected(),
            Err(_) => return Ok(0),
        }
    }
    drop(write);
    process::wait().map(|_| 0)
}
