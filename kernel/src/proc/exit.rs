//! Ending a process, collecting ended children, and killing.

use super::{INIT, Process, TABLE, TestObjects, oom, sched};
use crate::arch::hart;
use crate::mm::kernel_space;
use abi::{Errno, KILLED};
use core::mem;
use kmalloc::KArc;

/// Ends the running process. All it has is given back here; what is left, its number, its status
/// and its kernel stack, goes when the parent collects it, who is told when nobody is on that stack
/// any more.
pub fn exit(status: i32) -> ! {
    let process = sched::current();
    assert!(process.pid != INIT, "init ended with status {status}");
    oom::ending();
    release_all(&process);
    oom::ended();
    // Interrupts stay off from here on: an ended process that is preempted would be queued again.
    hart::enter();
    process.set_ended(status);
    sched::block();
    unreachable!("an ended process ran");
}

/// Tells of the end of a process whose stack was just left. Interrupts are off.
pub(super) fn tell(process: KArc<Process>) {
    let (pid, status) = (process.pid, process.status());
    // The table still has it. Whoever collects it is to be the last one to let go, so that all its
    // memory is back then.
    drop(process);
    let woken = TABLE.lock().end(pid, status);
    for parent in woken.into_iter().flatten() {
        parent.child_ended.wake_all();
    }
}

fn release_all(process: &Process) {
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
fn release_space(process: &Process) {
    let space = process.space.lock().take();
    sched::change_space(process, kernel_space::satp());
    drop(space);
    process.note_no_space();
    process.set_held(0);
}

/// Waits for a child to end, hands its status to `store`, and collects it; gives its number. Where
/// `store` fails the child is left for the next call.
pub fn wait(store: impl FnOnce(i32) -> Result<(), Errno>) -> Result<i32, Errno> {
    let process = sched::current();
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
