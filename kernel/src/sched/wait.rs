//! Wait queues.
//!
//! A thread enqueues itself *before* it releases the lock that guards the condition; whoever changes the condition
//! holds that lock and wakes the queue then or later. So no wakeup is lost.

use super::Wchan;
use super::run::{block, wake};
use super::thread::{WaitingThreads, current};
use crate::arch::hart;
use crate::sync::{SpinGuard, SpinLock, rank};
use core::ptr;
use lock_api::{MutexGuard, RawMutex};

/// The error of a wait that ended because the thread was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl From<Interrupted> for abi::Errno {
    fn from(_: Interrupted) -> abi::Errno {
        abi::Errno::Interrupted
    }
}

/// Threads that wait for the same condition, woken first in, first out.
pub struct WaitQueue {
    wchan: Wchan,
    waiting: SpinLock<WaitingThreads, { rank::WAIT }>,
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new(wchan: Wchan) -> WaitQueue {
        WaitQueue {
            wchan,
            waiting: SpinLock::new(WaitingThreads::new()),
        }
    }

    /// Its wait channel.
    pub fn wchan(&self) -> Wchan {
        self.wchan
    }

    /// Its address, which identifies it.
    pub fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Releases `guard`, waits for a wakeup, and acquires the lock again. Wakeups may be spurious: the caller
    /// checks its condition again.
    ///
    /// # Errors
    /// If the thread is interrupted; the lock is not held then.
    pub fn wait<'a, R: RawMutex, T>(
        &self,
        guard: MutexGuard<'a, R, T>,
    ) -> Result<MutexGuard<'a, R, T>, Interrupted> {
        let lock = MutexGuard::mutex(&guard);
        self.wait_after(true, || drop(guard))?;
        Ok(lock.lock())
    }

    /// As [`WaitQueue::wait`], but uninterruptible: for conditions that are certain to come true.
    pub fn wait_uninterruptible<'a, T, const RANK: u8>(
        &self,
        guard: SpinGuard<'a, T, RANK>,
    ) -> SpinGuard<'a, T, RANK> {
        let lock = MutexGuard::mutex(&guard);
        let _ = self.wait_after(false, || drop(guard));
        lock.lock()
    }

    /// Enqueues the thread, calls `release`, and waits for a wakeup.
    ///
    /// # Errors
    /// If `interruptible` and the thread is interrupted.
    pub fn wait_after(
        &self,
        interruptible: bool,
        release: impl FnOnce(),
    ) -> Result<(), Interrupted> {
        let thread = current();
        let irq = hart::irq_save();
        {
            let mut waiting = self.waiting.lock();
            thread.prepare_to_wait(interruptible, self.wchan, self.address());
            waiting.push(thread.to_arc());
        }
        release();
        if interruptible && thread.run().cancel_wait_if_interrupted() {
            self.waiting.lock().remove(&thread);
            return Err(Interrupted);
        }
        block();
        drop(irq);
        if thread.is_on_wait_queue() {
            // Woken by an interruption, which leaves it in the queue.
            self.waiting.lock().remove(&thread);
        }
        if interruptible && thread.is_interrupted() {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }

    /// Wakes the thread that has waited longest; returns false if there is none.
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

    /// Wakes all threads.
    pub fn wake_all(&self) {
        while self.wake_one() {}
    }
}
