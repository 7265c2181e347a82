//! Process groups: the processes of a job, which Ctrl-C ends together.
//!
//! A group is a number that processes have in common, by custom that of its first member. Whoever makes
//! a process gives it its own group, within the same hold of the table's lock that adds it; so who goes
//! through the table finds all of a group, also of one whose members fork all the time.

use super::current;
use super::process::Process;
use super::table::TABLE;
use abi::{Errno, INTERRUPTED};

/// Puts a process, the running one or a child of its, into a group. For both numbers 0 stands for
/// the one that is meant most: the running process, and the group that is named after the process.
pub fn set(pid: i32, group: i32) -> Result<(), Errno> {
    let own = current().pid;
    let pid = if pid == 0 { own } else { pid };
    let group = if group == 0 { pid } else { group };
    TABLE.lock().set_group(own, pid, group)
}

/// The group of a process, with 0 of the running one.
pub fn of(pid: i32) -> Result<i32, Errno> {
    if pid == 0 {
        return Ok(current().group());
    }
    let table = TABLE.lock();
    table.get(pid).map(|p| p.group()).ok_or(Errno::NoProcess)
}

/// Whether the running process reads commands: it does not belong to the group, which Ctrl-C is to end.
pub fn is_shell(foreground: i32) -> bool {
    let process = current();
    process.is_of_init() || process.group() != foreground
}

/// Whether there is such a group.
pub fn exists(group: i32) -> bool {
    TABLE.lock().has_group(group)
}

/// Ends the job that has this group; false if there is none. Called by the interrupt handler.
pub fn interrupt(group: i32) -> bool {
    let table = TABLE.lock();
    let mut any = false;
    for process in table.job(group) {
        Process::kill(process, INTERRUPTED);
        any = true;
    }
    any
}
