//! Threads: what one is, who runs when, and how they wait for each other, for a time and for locks that
//! may be held over a wait. Knows no process and no file.

mod awaited;
mod clock;
mod kernel;
mod run;
mod sleep;
mod thread;
mod timer;
mod wait;

pub use awaited::Awaited;
pub use kernel::{KernelThread, kernel_threads, spawn};
pub use run::{end, enter_new_context, idle_loop, interrupt, nobody_else_runs, start, yield_now};
pub use sleep::{ObjectLock, SleepGuard, SleepLock};
pub use thread::{Current, Owner, Start, Thread, current};
pub use threads::State;
pub use timer::{sleep_until, tick};
pub use wait::WaitQueue;
