//! The process that runs.

use super::Process;
use crate::arch::hart;
use crate::arch::trap::{TrapFrame, own_frame};
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
}

impl Current {
    /// Its user registers.
    #[inline]
    pub fn frame(&self) -> &TrapFrame {
        // SAFETY: a process runs here, so its thread does, as long as its own code runs.
        unsafe { own_frame() }
    }

    /// Puts another address space in the place of the process's own, takes it into use, and gives the old
    /// one back.
    pub fn replace_space(&self, space: Option<Space>) -> Option<Space> {
        let old = self.mm().replace(space);
        // SAFETY: the table keeps the process, and so its `Mm`, until the thread has ended; the `Mm` keeps the
        // space until it is replaced, and the old one goes only behind this.
        unsafe { self.thread().change_space(self.mm().context()) };
        old
    }
}

impl Deref for Current {
    type Target = Process;
    #[inline]
    fn deref(&self) -> &Process {
        // SAFETY: every thread that runs was made for a process, which is its owner. The table has that
        // process before the thread runs, and keeps it until the thread has left its stack for ever.
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

/// The number of the process that a hart runs, by what that hart calls [`hart::Hart::owner`]: of one that
/// goes on meanwhile, any number.
pub fn number_of(owner: *const ()) -> Option<i32> {
    let process: *const Process = owner.cast();
    // SAFETY: the table has the process. If it lets go of it just now, the memory is still there, in the
    // direct map, and some number comes out; hence volatile.
    (!process.is_null()).then(|| unsafe { (&raw const (*process).pid).read_volatile() })
}
