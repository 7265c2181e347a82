//! Ending a process, collecting ended children, and killing.

use super::{INIT, Process, TABLE, TestObjects, oom, sched};
use crate::arch::hart;
use crate::mm::kernel_space;
use abi::Errno;
use core::mem;

/// Ends the running process. All it has is given back here; what is left, its number, its status
/// and its kernel stack, goes when the parent collects it.
pub fn exit(status: i32) -> ! {
    let process = sched::current();
    assert!(process.pid != INIT, "init ended with status {status}");
    oom::ending();
    release_all(&process);
    oom::ended();
    // Interrupts stay off from here on: an ended process that is preempted would be queued again.
    hart::enter();
    let woken = {
        let mut table = TABLE.lock();
        process.set_ended();
        table.end(process.pid, status)
    };
    for parent in woken.into_iter().flatten() {
        parent.child_ended.wake_all();
    }
    sched::block();
    unreachable!("an ended process ran");
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
    if let Some(child) = child {
        sched::wait_off_stack(&child);
    }
    Ok(pid)
}

/// Kills the process with this number.
pub fn kill(pid: i32) -> Result<(), Errno> {
    let process = TABLE.lock().get(pid).cloned().ok_or(Errno::NoProcess)?;
    if pid == INIT {
        return Err(Errno::NotPermitted);
    }
    Process::kill(&process);
    Ok(())
}
