//! `exit`, `wait` and `kill`.

use super::objects::TestObjects;
use super::process::Process;
use super::table::TABLE;
use super::{Current, current, oom};
use crate::mm::asid;
use crate::sched::{self, Owner};
use abi::{Errno, KILLED};
use core::mem;
use fallible::KArc;
use processes::INIT;

/// Exits the running process. Files and memory are released here. PID, status and kernel stack remain until the
/// parent reaps the process; the parent is woken when no hart is on that stack.
pub fn exit(status: i32) -> ! {
    let process = current();
    assert!(process.pid != INIT, "init ended with status {status}");
    oom::exit_begin();
    release_all(&process);
    oom::exit_end();
    process.set_status(status);
    sched::end()
}

// SAFETY: no other type implements it. The process keeps its `Mm`, whose space only its own thread replaces,
// and that thread switches to the new one before the old one is dropped.
unsafe impl Owner for Process {
    fn space(&self) -> *const asid::Context {
        self.mm().context()
    }

    /// Makes the process a zombie and wakes its parent.
    fn ended(process: KArc<Process>) {
        let (pid, status) = (process.pid, process.status());
        // Whoever reaps it must drop the last reference.
        drop(process);
        let woken = TABLE.lock().end(pid, status);
        for parent in woken.into_iter().flatten() {
            parent.child_ended.wake_all();
        }
    }
}

fn release_all(process: &Current) {
    let (files, directory, objects) = {
        let mut resources = process.resources.lock();
        (
            resources.files.take(),
            resources.directory.take(),
            mem::replace(&mut resources.objects, TestObjects::new()),
        )
    };
    drop(files);
    drop(directory);
    drop(objects);
    release_space(process);
}

/// Releases the address space of the running process.
fn release_space(process: &Current) {
    drop(process.replace_space(None));
    process.set_resource_pages(0);
}

/// Waits for a child to exit, passes its status to `store`, and reaps it; returns its PID. If `store` fails, the
/// child stays a zombie.
///
/// # Errors
/// `NoChild` if there are no children; `Interrupted` if the process is killed; the error of `store`.
pub fn wait(store: impl FnOnce(i32) -> Result<(), Errno>) -> Result<i32, Errno> {
    let process = current();
    let mut table = TABLE.lock();
    let (pid, status) = loop {
        match table.ended_child(process.pid)? {
            Some(child) => break child,
            None => table = process.child_ended.wait(table)?,
        }
    };
    drop(table);
    store(status)?;
    let child = TABLE.lock().reap(process.pid, pid);
    drop(child);
    // What the child shared with this process is its own again, perhaps.
    if process.mm().deposits() > 0
        && let Some(space) = process.mm().lock().as_mut()
    {
        space.trim();
    }
    Ok(pid)
}

/// Kills the process with this PID.
///
/// # Errors
/// `NoProcess` if there is none; `NotPermitted` for init.
pub fn kill(pid: i32) -> Result<(), Errno> {
    let process = TABLE.lock().get(pid).cloned().ok_or(Errno::NoProcess)?;
    if pid == INIT {
        return Err(Errno::NotPermitted);
    }
    Process::kill(&process, KILLED);
    Ok(())
}
