//! Process groups, and which of them has a terminal.

use crate::io::{Result, checked};
use crate::sys;

/// Puts a process, this one (0) or a child, into a group: one that there is, or the one with the
/// process's own number, which 0 stands for.
///
/// # Errors
/// There is no such process or group.
pub fn setpgid(pid: i32, group: i32) -> Result<()> {
    checked(sys::setpgid(pid, group)).map(drop)
}

/// The group of a process, with 0 of this one.
///
/// # Errors
/// There is no such process.
pub fn getpgid(pid: i32) -> Result<i32> {
    checked(sys::getpgid(pid)).map(|group| group as i32)
}

/// Puts a group into the foreground of a terminal, where Ctrl-C ends it, or with
/// [`NO_GROUP`](abi::NO_GROUP) none.
///
/// # Errors
/// The file is no terminal, or there is no such group.
pub fn tcsetpgrp(fd: i32, group: i32) -> Result<()> {
    checked(sys::tcsetpgrp(fd, group)).map(drop)
}

/// The group in the foreground of a terminal.
///
/// # Errors
/// The file is no terminal.
pub fn tcgetpgrp(fd: i32) -> Result<i32> {
    checked(sys::tcgetpgrp(fd)).map(|group| group as i32)
}
