//! Ending a process, collecting ended children, and killing.

use super::objects::TestObjects;
use super::process::Process;
use super::table::TABLE;
use super::{Current, INIT, current, oom};
use crate::sched;
use abi::{Errno, KILLED};
use core::mem;

/// Ends the running process. All it has is given back here; what is left, its number, its status
/// and its kernel stack, goes when the parent collects it, who is told when nobody is on that stack
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

/// Tells of the end of a process whose stack was just left. Interrupts are off.
///
/// # Safety
/// `owner` is a process that the table has.
pub unsafe fn tell(owner: *const ()) {
    // SAFETY: the caller's promise; the table has it until it is told of the end, below.
    let process: &Process = unsafe { &*owner.cast() };
    let (pid, status) = (process.pid, process.status());
    let woken = TABLE.lock().end(pid, status);
    for parent in woken.into_iter().flatten() {
        parent.child_ended.wake_all();
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

/// Waits for a child to end, hands its status to `store`, and collects it; gives its number. Where
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
    let child = TABLE.lock().collect(process.pid, pid);
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
