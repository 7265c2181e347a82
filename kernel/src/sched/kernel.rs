//! Kernel threads: threads without a process, in the kernel's own address space, that never exit.

use super::run::{enqueue, schedule_tail};
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

/// What a kernel thread does.
pub trait KernelTask {
    /// What it is for, in a word.
    const NAME: &'static str;

    /// Runs as long as the machine does.
    fn run() -> !;
}

extern "C" fn begin<T: KernelTask>(_: usize) {
    schedule_tail();
    T::run()
}

/// Starts a kernel thread, during boot.
pub fn spawn<T: KernelTask>() -> Result<(), AllocError> {
    let place = THREADS.iter().find(|place| place.try_get().is_none());
    let place = place.ok_or(AllocError)?;
    let start = Start {
        entry: begin::<T>,
        argument: 0,
        frame: &TrapFrame::user(0, 0, [0, 0]),
    };
    let thread = Thread::without_owner(&start)?;
    place.set(KernelThread {
        name: T::NAME,
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
