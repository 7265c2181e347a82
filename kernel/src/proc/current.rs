//! The running process.

use super::Process;
use crate::arch::hart::{self, Hart};
use crate::sched;
use crate::space::Space;
use core::ops::Deref;

/// The process whose thread runs this code.
pub struct Current(*const Process);

impl Current {
    /// Its thread.
    #[inline]
    pub fn thread(&self) -> sched::Current {
        sched::current()
    }

    /// Replaces the process's address space and loads the new one; returns the old one.
    pub fn replace_space(&self, space: Option<Space>) -> Option<Space> {
        let old = self.mm().replace(space);
        // SAFETY: the process keeps its `Mm` until the thread has exited; the `Mm` keeps the space until it is
        // replaced. The old space is dropped after this switch.
        unsafe { self.thread().switch_space(self.mm().context()) };
        old
    }
}

impl Deref for Current {
    type Target = Process;
    #[inline]
    fn deref(&self) -> &Process {
        // SAFETY: every running thread has a process as its owner, and keeps its reference until it has left its
        // stack for the last time.
        unsafe { &*self.0 }
    }
}

/// The process that runs this code.
///
/// # Panics
/// In the idle loop and in boot code.
#[inline]
pub fn current() -> Current {
    let process = hart::owner();
    assert!(!process.is_null(), "no process here");
    Current(process.cast())
}

/// The process that runs this code, if any.
#[inline]
pub fn try_current() -> Option<Current> {
    let process = hart::owner();
    (!process.is_null()).then_some(Current(process.cast()))
}

/// The ID of the process that a hart runs. Unreliable: the hart may switch or the process exit meanwhile.
pub fn pid_on(hart: &Hart) -> Option<i32> {
    let process: *const Process = hart.owner().cast();
    // SAFETY: the pointer is in the direct map, which stays mapped even if the process is freed meanwhile; any
    // value is fine then. Hence volatile.
    (!process.is_null()).then(|| unsafe { (&raw const (*process).identity.pid).read_volatile() })
}
