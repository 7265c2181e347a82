//! The scheduling state of a thread, and who enqueues a thread that wakes.
//!
//! Two rules keep two harts off one stack: a thread is in a run queue only when no hart is on its stack, and a hart
//! gets threads only from run queues. A waker of a thread that still is on a hart's stack does not wait for that
//! hart: it leaves a request, and the hart enqueues the thread when it has switched away (Linux's `on_cpu`
//! without the spinning).

#[cfg(not(test))]
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
#[cfg(test)]
use shuttle::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const RUNNABLE: u8 = 0;
const INTERRUPTIBLE: u8 = 1;
const UNINTERRUPTIBLE: u8 = 2;
const ENDED: u8 = 3;

/// No hart is on the thread's stack.
const OFF_CPU: u8 = 0;
/// A hart is on the thread's stack.
const ON_CPU: u8 = 1;
/// A hart is on the thread's stack, and enqueues the thread when it has switched away.
const REQUEUE: u8 = 2;
/// A hart is on the thread's stack for the last time.
const EXITING: u8 = 3;

/// The state of a thread, for listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On a hart.
    Running,
    /// In a run queue, or about to be.
    Runnable,
    /// Waiting; an interruption ends the wait.
    Interruptible,
    /// Waiting; only a wakeup ends the wait.
    Uninterruptible,
    /// Exited.
    Ended,
}

/// What a hart does with the thread that it has switched away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SwitchedOut {
    /// Nothing: it waits, and its waker enqueues it.
    Sleeps,
    /// Enqueue it.
    Requeue,
    /// Release it: it has exited.
    Ended,
}

/// What a waker does with the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// Nothing: it was not waiting.
    No,
    /// Enqueue it.
    Enqueue,
    /// Nothing: the hart on its stack enqueues it.
    OnCpu,
}

/// The scheduling state of a thread; see the module.
#[derive(Debug)]
pub struct RunState {
    state: AtomicU8,
    /// Set for ever by an interruption: interruptible waits end at once.
    interrupted: AtomicBool,
    stack: AtomicU8,
}

impl RunState {
    /// Runnable, on no hart.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub fn new() -> RunState {
        RunState {
            state: AtomicU8::new(RUNNABLE),
            interrupted: AtomicBool::new(false),
            stack: AtomicU8::new(OFF_CPU),
        }
    }

    /// The running thread is about to wait. From here on it can be woken.
    pub fn prepare_to_wait(&self, interruptible: bool) {
        let state = if interruptible {
            INTERRUPTIBLE
        } else {
            UNINTERRUPTIBLE
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// Ends the wait; returns false if it has ended already.
    fn finish_wait(&self) -> bool {
        let awake = |state| matches!(state, INTERRUPTIBLE | UNINTERRUPTIBLE).then_some(RUNNABLE);
        self.state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, awake)
            .is_ok()
    }

    /// Called by the running thread between [`RunState::prepare_to_wait`] and [`RunState::take_wakeup`]: cancels
    /// the wait if the thread was interrupted. Returns false if it was not, or if a waker was faster.
    pub fn cancel_wait_if_interrupted(&self) -> bool {
        self.is_interrupted() && self.finish_wait()
    }

    /// Wakes a waiting thread. Preemption is disabled from this call until the caller has done what the result
    /// says.
    pub fn wake(&self) -> Woken {
        match self.finish_wait() {
            false => Woken::No,
            true if self.requeue() => Woken::OnCpu,
            true => Woken::Enqueue,
        }
    }

    /// Makes the hart on the thread's stack enqueue it after the switch; returns false if there is none.
    fn requeue(&self) -> bool {
        let requested =
            self.stack
                .compare_exchange(ON_CPU, REQUEUE, Ordering::AcqRel, Ordering::Acquire);
        requested.is_ok()
    }

    /// Interrupts the thread; returns whether the caller must wake it.
    pub fn interrupt(&self) -> bool {
        self.interrupted.store(true, Ordering::SeqCst);
        self.state.load(Ordering::SeqCst) == INTERRUPTIBLE
    }

    /// Whether it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Called by the running thread before it switches away to wait: returns true, once, if it was woken since
    /// [`RunState::prepare_to_wait`]; then it continues without a switch.
    pub fn take_wakeup(&self) -> bool {
        let woken = self.stack.load(Ordering::Acquire) == REQUEUE;
        if woken {
            // Nobody else changes it before the thread waits again.
            self.stack.store(ON_CPU, Ordering::Relaxed);
        }
        woken
    }

    /// The running thread is about to yield: the hart enqueues it after the switch.
    pub fn preempt(&self) {
        // A running thread is not woken, so there is no other request.
        let requested = self.requeue();
        debug_assert!(requested, "preempted, but not running");
    }

    /// The running thread is about to switch away for the last time.
    pub fn end(&self) {
        self.state.store(ENDED, Ordering::SeqCst);
        self.stack.store(EXITING, Ordering::Relaxed);
    }

    /// A hart is about to switch to the thread, which it took from a run queue.
    pub fn switch_in(&self) {
        self.stack.store(ON_CPU, Ordering::Relaxed);
    }

    /// The hart has switched away from the thread; returns what it must do with it.
    pub fn switch_out(&self) -> SwitchedOut {
        match self.stack.swap(OFF_CPU, Ordering::AcqRel) {
            REQUEUE => SwitchedOut::Requeue,
            EXITING => SwitchedOut::Ended,
            _ => SwitchedOut::Sleeps,
        }
    }

    /// Whether it waits.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self.state.load(Ordering::Relaxed),
            INTERRUPTIBLE | UNINTERRUPTIBLE
        )
    }

    /// The current state, for listings.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            RUNNABLE if self.stack.load(Ordering::Relaxed) != OFF_CPU => State::Running,
            RUNNABLE => State::Runnable,
            INTERRUPTIBLE => State::Interruptible,
            UNINTERRUPTIBLE => State::Uninterruptible,
            _ => State::Ended,
        }
    }
}
