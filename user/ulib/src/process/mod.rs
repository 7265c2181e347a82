//! Processes and pipes.

mod command;
mod group;

pub use command::{Child, Command, Stdio};
pub use group::{getpgid, setpgid, tcgetpgrp, tcsetpgrp};

use crate::fs::File;
use crate::io::{Result, checked};
use crate::solo::Solo;
use crate::sys;
use abi::{INTERRUPTED, KILLED};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

/// The result of [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// In the child.
    Child,
    /// In the parent, with the child's process ID.
    Parent(i32),
}

/// Copies this process.
///
/// # Errors
/// There are too many processes, or too little memory.
pub fn fork() -> Result<Fork> {
    crate::io::flush_at_exit();
    checked(sys::fork()).map(|pid| match pid {
        0 => Fork::Child,
        pid => Fork::Parent(pid as i32),
    })
}

/// Forks; the child runs `child` and exits with its result. Returns the child's process ID.
///
/// # Errors
/// There are too many processes, or too little memory.
pub fn fork_with(child: impl FnOnce() -> i32) -> Result<i32> {
    match fork()? {
        Fork::Child => exit(child()),
        Fork::Parent(pid) => Ok(pid),
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(i32);

impl ExitStatus {
    /// Whether the status is 0.
    pub fn success(self) -> bool {
        self.0 == 0
    }

    /// The argument of `exit`.
    pub fn code(self) -> i32 {
        self.0
    }

    /// Whether it was killed: by another process, by the kernel for a fault, or by Ctrl-C.
    pub fn killed(self) -> bool {
        self.0 == KILLED || self.interrupted()
    }

    /// Whether Ctrl-C ended it.
    pub fn interrupted(self) -> bool {
        self.0 == INTERRUPTED
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interrupted() {
            f.write_str("interrupted")
        } else if self.killed() {
            f.write_str("killed")
        } else {
            write!(f, "status {}", self.0)
        }
    }
}

/// Children reaped while waiting for another one.
static ENDED: Solo<RefCell<Vec<(i32, ExitStatus)>>> = Solo::new(RefCell::new(Vec::new()));

/// Waits for the next child to exit.
fn reap() -> Result<(i32, ExitStatus)> {
    let mut status = 0;
    // SAFETY: `status` is ours to fill.
    let pid = checked(unsafe { sys::wait(&mut status) })?;
    Ok((pid as i32, ExitStatus(status)))
}

/// Waits for any child; returns its process ID and status.
///
/// # Errors
/// There are no children.
pub fn wait() -> Result<(i32, ExitStatus)> {
    let kept = ENDED.borrow_mut().pop();
    match kept {
        Some(ended) => Ok(ended),
        None => reap(),
    }
}

/// Waits for this child. The status of others that exit meanwhile is kept.
///
/// # Errors
/// There is no such child.
pub fn wait_for(pid: i32) -> Result<ExitStatus> {
    let mut ended = ENDED.borrow_mut();
    if let Some(at) = ended.iter().position(|&(other, _)| other == pid) {
        return Ok(ended.swap_remove(at).1);
    }
    loop {
        match reap()? {
            (other, status) if other == pid => return Ok(status),
            other => ended.push(other),
        }
    }
}

/// Exits.
pub fn exit(status: i32) -> ! {
    crate::io::flush_at_exit();
    sys::exit(status)
}

/// This process's ID.
pub fn id() -> i32 {
    sys::getpid() as i32
}

/// Kills a process.
///
/// # Errors
/// There is no such process.
pub fn kill(pid: i32) -> Result<()> {
    checked(sys::kill(pid)).map(drop)
}

/// Creates a pipe; returns its read end and write end.
///
/// # Errors
/// The kernel is out of memory.
pub fn pipe() -> Result<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` is ours to fill.
    checked(unsafe { sys::pipe(&mut ends) })?;
    Ok((File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])))
}
