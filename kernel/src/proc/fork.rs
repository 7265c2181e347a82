//! Making a process.

use super::process::Own;
use super::{Process, TABLE, TestObjects, sched};
use crate::arch::csr;
use abi::Errno;

/// Makes a copy of the running process; gives the copy's number.
pub fn fork() -> Result<i32, Errno> {
    let parent = sched::current();
    // Asked again at the end. Those who try in vain, and try on, must not take memory for that.
    TABLE.lock().check_room(&parent)?;
    let own = {
        let own = parent.own.lock();
        Own {
            files: own.files.try_clone()?,
            directory: own.directory.clone(),
            objects: TestObjects::new(),
        }
    };
    let space = match parent.space.lock().as_mut() {
        Some(space) => Some(space.fork()?),
        None => None,
    };
    let pid = TABLE.lock().next_number();
    let child = Process::try_new(pid, parent.name(), own, space, enter_child, 0)?;
    copy_registers(&parent, &child);
    TABLE.lock().add(child.clone(), Some(&parent))?;
    sched::start(child);
    Ok(pid)
}

fn copy_registers(parent: &Process, child: &Process) {
    let frame = child.frame();
    frame.clone_from(parent.frame());
    frame.set_result(0);
    if parent.frame().float_state() != 0 {
        // SAFETY: the child does not run yet; the hart's registers are the parent's, whether or not
        // they were saved before, because the parent runs.
        unsafe { (*child.floats()).save() };
        frame.set_float_state(csr::SSTATUS_FS_CLEAN);
    }
}

extern "C" fn enter_child(_: usize) {
    sched::enter_new_context();
    // The way to user mode expects interrupts off.
    csr::interrupts_off();
}
