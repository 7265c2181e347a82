//! Process groups: the processes of a job, which Ctrl-C kills together.
//!
//! A group is a number, usually the PID of its first member. A child is added to the table and to its parent's
//! group under one hold of the table's lock, so a walk over the table finds all members of a group, even if they
//! fork meanwhile.

use super::current;
use super::process::Process;
use super::table::TABLE;
use abi::{Errno, INTERRUPTED};

/// Moves a process, the running one or a child, into a group. A `pid` of 0 means the running process, a `group`
/// of 0 the process's own PID.
pub fn set(pid: i32, group: i32) -> Result<(), Errno> {
    let own = current().pid;
    let pid = if pid == 0 { own } else { pid };
    let group = if group == 0 { pid } else { group };
    TABLE.lock().set_group(own, pid, group)
}

/// The group of a process; 0 means the running one.
pub fn of(pid: i32) -> Result<i32, Errno> {
    if pid == 0 {
        return Ok(current().group());
    }
    let table = TABLE.lock();
    table.get(pid).map(|p| p.group()).ok_or(Errno::NoProcess)
}

/// Whether the running process is a shell: init started it, or it is not in the foreground group.
pub fn is_shell(foreground: i32) -> bool {
    let process = current();
    process.is_started_by_init() || process.group() != foreground
}

/// Whether the group has a process.
pub fn exists(group: i32) -> bool {
    TABLE.lock().has_group(group)
}

/// Kills the job with this group; returns false if there is none. Called by the interrupt handler.
pub fn interrupt(group: i32) -> bool {
    let table = TABLE.lock();
    let mut any = false;
    for process in table.job(group) {
        Process::kill(process, INTERRUPTED);
        any = true;
    }
    any
}
