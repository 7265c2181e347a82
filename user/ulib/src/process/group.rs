//! Process groups and the terminal's foreground group.

use crate::io::{Result, checked};
use crate::sys;

/// Moves this process (0) or a child into an existing group, or into a new one with its own ID (0).
///
/// # Errors
/// There is no such process or group.
pub fn setpgid(pid: i32, group: i32) -> Result<()> {
    checked(sys::setpgid(pid, group)).map(drop)
}

/// The group of a process; 0 is this one.
///
/// # Errors
/// There is no such process.
pub fn getpgid(pid: i32) -> Result<i32> {
    checked(sys::getpgid(pid)).map(|group| group as i32)
}

/// Sets the terminal's foreground group, which Ctrl-C ends, or with [`NO_GROUP`](abi::NO_GROUP)
/// none.
///
/// # Errors
/// The file is no terminal, or there is no such group.
pub fn tcsetpgrp(fd: i32, group: i32) -> Result<()> {
    checked(sys::tcsetpgrp(fd, group)).map(drop)
}

/// The terminal's foreground group.
///
/// # Errors
/// The file is no terminal.
pub fn tcgetpgrp(fd: i32) -> Result<i32> {
    checked(sys::tcgetpgrp(fd)).map(|group| group as i32)
}
