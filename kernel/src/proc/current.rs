//! The process that runs.

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

    /// Puts another address space in the place of the process's own, takes it into use, and gives the old
    /// one back.
    pub fn replace_space(&self, space: Option<Space>) -> Option<Space> {
        let old = self.mm().replace(space);
        // SAFETY: the process keeps its `Mm` until the thread has ended; the `Mm` keeps the space until it is
        // replaced, and the old one goes only behind this.
        unsafe { self.thread().change_space(self.mm().context()) };
        old
    }
}

impl Deref for Current {
    type Target = Process;
    #[inline]
    fn deref(&self) -> &Process {
        // SAFETY: every thread that runs has a process as its owner, by a count that it keeps until it has left
        // its stack for ever.
        unsafe { &*self.0 }
    }
}

/// The process that runs this code.
///
/// # Panics
/// If it is the idle loop or boot code, which is an error in the kernel.
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

/// The number of the process that a hart runs: of one that goes on meanwhile, any number.
pub fn number_on(hart: &Hart) -> Option<i32> {
    let process: *const Process = hart.owner().cast();
    // SAFETY: the thread there has the process. If it lets go of it just now, the memory is still there, in
    // the direct map, and some number comes out; hence volatile.
    (!process.is_null()).then(|| unsafe { (&raw const (*process).identity.pid).read_volatile() })
}
