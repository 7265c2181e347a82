//! Queues of processes that wait for an event.
//!
//! Whoever waits puts itself into the queue *before* it lets go of the lock that guards what it
//! waits for; whoever wakes holds or held that lock. So no wake-up is lost.

use super::{Awaited, SpinGuard, SpinLock, rank};
use crate::arch::hart;
use crate::proc::{ProcessQueue, QueueKind, sched};
use core::ptr;
use lock_api::MutexGuard;

/// The wait ended because the process has been killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl From<Interrupted> for abi::Errno {
    fn from(_: Interrupted) -> abi::Errno {
        abi::Errno::Interrupted
    }
}

fn awaited_in(queue: &ProcessQueue) -> Awaited {
    match queue.kind() {
        QueueKind::Waiting(awaited) => awaited,
        QueueKind::Runnable => unreachable!("nobody waits in a queue of runnable processes"),
    }
}

/// Processes that wait for the same event, first come first served.
pub struct WaitQueue {
    waiting: SpinLock<ProcessQueue, { rank::WAIT }>,
}

impl WaitQueue {
    /// A queue nobody waits in.
    pub const fn new(awaited: Awaited) -> WaitQueue {
        WaitQueue {
            waiting: SpinLock::new(ProcessQueue::new(QueueKind::Waiting(awaited))),
        }
    }

    /// What its processes wait for.
    pub fn awaited(&self) -> Awaited {
        awaited_in(&self.waiting.lock())
    }

    /// By what it is told from others.
    pub fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Lets go of `guard`, waits for a wake-up, takes the lock again. Wake-ups may come without
    /// reason: the caller looks again. Killing the process ends the wait.
    pub fn wait<'a, T, const RANK: u8>(
        &self,
        guard: SpinGuard<'a, T, RANK>,
    ) -> Result<SpinGuard<'a, T, RANK>, Interrupted> {
        let lock = MutexGuard::mutex(&guard);
        self.wait_after(true, || drop(guard))?;
        Ok(lock.lock())
    }

    /// Like [`WaitQueue::wait`], also for a process that was killed: for waits that surely end.
    pub fn wait_surely<'a, T, const RANK: u8>(
        &self,
        guard: SpinGuard<'a, T, RANK>,
    ) -> SpinGuard<'a, T, RANK> {
        let lock = MutexGuard::mutex(&guard);
        let _ = self.wait_after(false, || drop(guard));
        lock.lock()
    }

    /// Queues the process, calls `release`, and waits for a wake-up or, where `interruptible`, for
    /// the process to be killed.
    pub fn wait_after(
        &self,
        interruptible: bool,
        release: impl FnOnce(),
    ) -> Result<(), Interrupted> {
        let process = sched::current();
        let off = hart::off();
        {
            let mut waiting = self.waiting.lock();
            process.begin_sleep(interruptible, awaited_in(&waiting), self.address());
            waiting.push(process.to_arc());
        }
        release();
        if interruptible && process.is_killed() && process.cancel_sleep() {
            self.waiting.lock().remove(&process);
            return Err(Interrupted);
        }
        sched::block();
        drop(off);
        if process.is_queued_waiting() {
            // Woken by `kill` and not out of the queue.
            self.waiting.lock().remove(&process);
        }
        if interruptible && process.is_killed() {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }

    /// Wakes the process that waits longest; false if none waited.
    pub fn wake_one(&self) -> bool {
        loop {
            let Some(process) = self.waiting.lock().pop() else {
                return false;
            };
            if sched::wake(process) {
                return true;
            }
        }
    }

    /// Wakes all that wait.
    pub fn wake_all(&self) {
        while self.wake_one() {}
    }
}
