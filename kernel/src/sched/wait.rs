//! Queues of threads that wait for an event.
//!
//! Whoever waits puts itself into the queue *before* it lets go of the lock that guards what it
//! waits for; whoever wakes holds or held that lock. So no wake-up is lost.

use super::Awaited;
use super::run::{block, wake};
use super::thread::{WaitingThreads, current};
use crate::arch::hart;
use crate::sync::{SpinGuard, SpinLock, rank};
use core::ptr;
use lock_api::{MutexGuard, RawMutex};

/// The wait ended because the thread was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl From<Interrupted> for abi::Errno {
    fn from(_: Interrupted) -> abi::Errno {
        abi::Errno::Interrupted
    }
}

/// Processes that wait for the same event, first come first served.
pub struct WaitQueue {
    awaited: Awaited,
    waiting: SpinLock<WaitingThreads, { rank::WAIT }>,
}

impl WaitQueue {
    /// A queue nobody waits in.
    pub const fn new(awaited: Awaited) -> WaitQueue {
        WaitQueue {
            awaited,
            waiting: SpinLock::new(WaitingThreads::new()),
        }
    }

    /// What its threads wait for.
    pub fn awaited(&self) -> Awaited {
        self.awaited
    }

    /// By what it is told from others.
    pub fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Lets go of `guard`, waits for a wake-up, takes the lock again. Wake-ups may come without
    /// reason: the caller looks again. Interrupting the thread ends the wait.
    pub fn wait<'a, R: RawMutex, T>(
        &self,
        guard: MutexGuard<'a, R, T>,
    ) -> Result<MutexGuard<'a, R, T>, Interrupted> {
        let lock = MutexGuard::mutex(&guard);
        self.wait_after(true, || drop(guard))?;
        Ok(lock.lock())
    }

    /// Like [`WaitQueue::wait`], also for a thread that was interrupted: for waits that surely end.
    pub fn wait_uninterruptible<'a, T, const RANK: u8>(
        &self,
        guard: SpinGuard<'a, T, RANK>,
    ) -> SpinGuard<'a, T, RANK> {
        let lock = MutexGuard::mutex(&guard);
        let _ = self.wait_after(false, || drop(guard));
        lock.lock()
    }

    /// Queues the thread, calls `release`, and waits for a wake-up or, where `interruptible`, for
    /// it to be interrupted.
    pub fn wait_after(
        &self,
        interruptible: bool,
        release: impl FnOnce(),
    ) -> Result<(), Interrupted> {
        let thread = current();
        let irq = hart::irq_save();
        {
            let mut waiting = self.waiting.lock();
            thread.begin_sleep(interruptible, self.awaited, self.address());
            waiting.push(thread.to_arc());
        }
        release();
        if interruptible && thread.run().cancel_sleep_if_interrupted() {
            self.waiting.lock().remove(&thread);
            return Err(Interrupted);
        }
        block();
        drop(irq);
        if thread.is_queued_waiting() {
            // Woken by an interruption and not out of the queue.
            self.waiting.lock().remove(&thread);
        }
        if interruptible && thread.is_interrupted() {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }

    /// Wakes the thread that waits longest; false if none waited.
    pub fn wake_one(&self) -> bool {
        loop {
            let Some(thread) = self.waiting.lock().pop() else {
                return false;
            };
            if wake(thread) {
                return true;
            }
        }
    }

    /// Wakes all that wait.
    pub fn wake_all(&self) {
        while self.wake_one() {}
    }
}
