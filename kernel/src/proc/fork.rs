//! `fork`.

use super::current;
use super::objects::TestObjects;
use super::process::{Process, Resources};
use super::table::TABLE;
use crate::arch::csr;
use crate::sched::{self, Start, Thread};
use crate::space::Mm;
use abi::Errno;

/// Creates a copy of the running process; returns its PID.
///
/// # Errors
/// `TryAgain` at the process limit, `NoMemory`, and `Interrupted` if the process was killed.
pub fn fork() -> Result<i32, Errno> {
    let parent = current();
    // `add` checks the limit again. This check comes before anything is allocated.
    TABLE.lock().check_room(&parent)?;
    let resources = {
        let resources = parent.resources.lock();
        Resources {
            files: resources.files.try_clone()?,
            directory: resources.directory.clone(),
            objects: TestObjects::new(),
        }
    };
    let space = match parent.mm().lock().as_mut() {
        Some(space) => Some(space.fork()?),
        None => None,
    };
    let mm = Mm::try_new(space)?;
    // The child resumes where the parent is, with 0 as the result of the call.
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
    let child = Process::try_new(pid, parent.name(), resources, mm, thread)?;
    TABLE.lock().add(child.clone(), Some(&parent))?;
    sched::start(child.thread().clone(), child);
    Ok(pid)
}

extern "C" fn enter_child(_: usize) {
    sched::schedule_tail();
    // The return to user mode needs interrupts disabled.
    csr::irq_disable();
}
