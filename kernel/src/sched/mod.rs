//! Threads, run queues, wait queues, timeouts and sleeping locks. Knows no process and no file.

mod clock;
mod kernel;
mod run;
mod sleep;
mod thread;
mod timer;
mod wait;
mod wchan;

pub use kernel::{KernelTask, KernelThread, kernel_threads, spawn};
pub use run::{end, idle_loop, interrupt, nobody_else_runs, schedule_tail, start, yield_now};
pub use sleep::{ObjectLock, SleepGuard, SleepLock};
pub use thread::{Current, Owner, Start, Thread, current};
pub use threads::State;
pub use timer::{sleep_until, tick};
pub use wait::WaitQueue;
pub use wchan::Wchan;
