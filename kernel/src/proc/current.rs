//! The process that runs.

use super::Process;
use crate::sched::{self, Thread};
use core::ops::Deref;

/// The process whose thread runs this code.
pub struct Current(sched::Current);

impl Current {
    /// Its thread.
    #[inline]
    pub fn thread(&self) -> &sched::Current {
        &self.0
    }
}

impl Deref for Current {
    type Target = Process;
    #[inline]
    fn deref(&self) -> &Process {
        // SAFETY: every thread that runs was made for a process, which is its owner. The table has that
        // process before the thread runs, and keeps it until the thread has left its stack for ever.
        unsafe { &*self.0.owner().cast() }
    }
}

/// The process that runs this code.
///
/// # Panics
/// If it is the idle loop or boot code, which is an error in the kernel.
#[inline]
pub fn current() -> Current {
    Current(sched::current())
}

/// The process that runs this code, if any.
#[inline]
pub fn try_current() -> Option<Current> {
    sched::try_current().map(Current)
}

/// The number of the process that a hart runs, by what that hart calls [`hart::Hart::current`]: of one that
/// goes on meanwhile, any number.
pub fn number_of(current: *const ()) -> Option<i32> {
    let thread: *const Thread = current.cast();
    // SAFETY: the hart has a reference to the thread, and the table to the process. If they let go of them
    // just now, the memory is still there, in the direct map, and some number comes out; hence volatile.
    let number = unsafe {
        let owner = thread.as_ref()?.owner().cast::<Process>();
        (&raw const (*owner.as_ref()?).pid).read_volatile()
    };
    Some(number)
}
