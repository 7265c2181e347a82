//! Kernel threads: threads without a process, in the kernel's own address space, that never exit.

use super::run::enqueue;
use super::thread::{Start, Thread};
use crate::arch::trap::TrapFrame;
use crate::sync::Once;
use fallible::{AllocError, KArc};

/// Most kernel threads.
const MOST: usize = 4;

static THREADS: [Once<KernelThread>; MOST] = [const { Once::new() }; MOST];

/// A kernel thread.
pub struct KernelThread {
    name: &'static str,
    thread: KArc<Thread>,
}

impl KernelThread {
    /// Its name, for listings.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The thread.
    pub fn thread(&self) -> &KArc<Thread> {
        &self.thread
    }
}

/// Starts a kernel thread, during boot. `body` begins with [`super::schedule_tail`] and does not return.
pub fn spawn(name: &'static str, body: extern "C" fn(usize)) -> Result<(), AllocError> {
    let place = THREADS.iter().find(|place| place.try_get().is_none());
    let place = place.ok_or(AllocError)?;
    let start = Start {
        entry: body,
        argument: 0,
        frame: &TrapFrame::user(0, 0, [0, 0]),
    };
    let thread = Thread::without_owner(&start)?;
    place.set(KernelThread {
        name,
        thread: thread.clone(),
    });
    enqueue(thread);
    Ok(())
}

/// All kernel threads. Their IDs in listings of processes are 0, -1, …
pub fn kernel_threads() -> impl Iterator<Item = (i32, &'static KernelThread)> {
    let threads = THREADS.iter().map_while(Once::try_get);
    (0..).map(|index: i32| -index).zip(threads)
}
