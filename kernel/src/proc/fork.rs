//! Making a process.

use super::current;
use super::objects::TestObjects;
use super::process::{Own, Process};
use super::table::TABLE;
use crate::arch::csr;
use crate::sched::{self, Start, Thread};
use crate::space::Mm;
use abi::Errno;

/// Makes a copy of the running process; gives the copy's number.
pub fn fork() -> Result<i32, Errno> {
    let parent = current();
    // Asked again at the end. Without this a process that is at its limit and tries on would take memory
    // each time.
    TABLE.lock().check_room(&parent)?;
    let own = {
        let own = parent.own.lock();
        Own {
            files: own.files.try_clone()?,
            directory: own.directory.clone(),
            objects: TestObjects::new(),
        }
    };
    let space = match parent.mm().lock().as_mut() {
        Some(space) => Some(space.fork()?),
        None => None,
    };
    let mm = Mm::try_new(space)?;
    // The child begins where the parent is, with 0 for the call's result.
    let frame = parent.user_frame().clone();
    frame.set_result(0);
    if frame.float_state() != 0 {
        frame.set_float_state(csr::SSTATUS_FS_CLEAN);
    }
    let start = Start {
        entry: enter_child,
        argument: 0,
        frame: &frame,
    };
    let thread = Thread::try_new::<Process>(&start)?;
    let pid = TABLE.lock().next_pid();
    let child = Process::try_new(pid, parent.name(), own, mm, thread)?;
    TABLE.lock().add(child.clone(), Some(&parent))?;
    sched::start(child.thread().clone(), child);
    Ok(pid)
}

extern "C" fn enter_child(_: usize) {
    sched::enter_new_context();
    // The way to user mode expects interrupts off.
    csr::irq_disable();
}
