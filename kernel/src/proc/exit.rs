//! Ending a process, reaping ended children, and killing.

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

/// Ends the running process. All it has is given back here; what is left, its number, its status
/// and its kernel stack, goes when the parent reaps it, who is told when nobody is on that stack
/// any more.
pub fn exit(status: i32) -> ! {
    let process = current();
    assert!(process.pid != INIT, "init ended with status {status}");
    oom::ending();
    release_all(&process);
    oom::ended();
    process.set_status(status);
    sched::end()
}

// SAFETY: there is no other owner of threads. The process keeps its `Mm`, in which only its own thread puts
// another space, and changes to that.
unsafe impl Owner for Process {
    fn space(&self) -> *const asid::Context {
        self.mm().context()
    }

    /// Tells the parent.
    fn ended(process: KArc<Process>) {
        let (pid, status) = (process.pid, process.status());
        // Whoever reaps it is to be the last to have it.
        drop(process);
        let woken = TABLE.lock().end(pid, status);
        for parent in woken.into_iter().flatten() {
            parent.child_ended.wake_all();
        }
    }
}

fn release_all(process: &Current) {
    let (files, directory, objects) = {
        let mut own = process.own.lock();
        (
            own.files.take(),
            own.directory.take(),
            mem::replace(&mut own.objects, TestObjects::new()),
        )
    };
    drop(files);
    drop(directory);
    drop(objects);
    release_space(process);
}

/// Gives the address space of the running process back.
fn release_space(process: &Current) {
    drop(process.replace_space(None));
    process.set_held(0);
}

/// Waits for a child to end, hands its status to `store`, and reaps it; gives its number. Where
/// `store` fails the child is left for the next call.
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
    if process.mm().spares() > 0
        && let Some(space) = process.mm().lock().as_mut()
    {
        space.trim();
    }
    Ok(pid)
}

/// Kills the process with this number.
pub fn kill(pid: i32) -> Result<(), Errno> {
    let process = TABLE.lock().get(pid).cloned().ok_or(Errno::NoProcess)?;
    if pid == INIT {
        return Err(Errno::NotPermitted);
    }
    Process::kill(&process, KILLED);
    Ok(())
}
