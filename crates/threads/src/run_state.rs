//! Whether a thread runs, waits or has ended, and who queues it when it is to run again.
//!
//! Two rules keep two harts from one stack: a thread is in a queue of runnable ones only when no hart is
//! on its stack, and only that queue hands it out. Whoever wakes a thread whose stack a hart has not
//! left yet does not wait for that hart: it asks for the thread to be queued when the hart has left.

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
/// A hart is.
const ON_CPU: u8 = 1;
/// A hart is, and queues the thread as soon as it has left.
const REQUEUE: u8 = 2;
/// A hart is, for the last time.
const LAST_TIME: u8 = 3;

/// What a thread does, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is on a hart.
    Running,
    /// It wants to be.
    Runnable,
    /// It waits, and being interrupted ends that.
    Interruptible,
    /// It waits for something that surely comes.
    Uninterruptible,
    /// It has ended.
    Ended,
}

/// What is to become of a thread whose stack a hart has just left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Left {
    /// Nothing: who wakes it queues it.
    Sleeps,
    /// The hart queues it.
    Requeue,
    /// It has ended.
    Ended,
}

/// What is to become of a thread that somebody wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// It did not wait.
    No,
    /// Whoever wakes it queues it.
    Enqueue,
    /// The hart on its stack queues it.
    Left,
}

/// See the module.
#[derive(Debug)]
pub struct RunState {
    state: AtomicU8,
    /// Whether it is to leave the kernel, and wait for nothing on the way that may never come.
    interrupted: AtomicBool,
    stack: AtomicU8,
}

impl RunState {
    /// Runnable, and on no hart.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub fn new() -> RunState {
        RunState {
            state: AtomicU8::new(RUNNABLE),
            interrupted: AtomicBool::new(false),
            stack: AtomicU8::new(OFF_CPU),
        }
    }

    /// The running thread is about to wait. From now on it can be woken.
    pub fn begin_sleep(&self, interruptible: bool) {
        let state = if interruptible {
            INTERRUPTIBLE
        } else {
            UNINTERRUPTIBLE
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// Ends the wait, once for each; false if somebody else has.
    fn end_sleep(&self) -> bool {
        let awake = |state| matches!(state, INTERRUPTIBLE | UNINTERRUPTIBLE).then_some(RUNNABLE);
        self.state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, awake)
            .is_ok()
    }

    /// The running thread, between [`RunState::begin_sleep`] and [`RunState::stays`], does not wait after
    /// all if it was interrupted; false if it has to go on, since it was not or somebody has woken it.
    pub fn cancel_sleep_if_interrupted(&self) -> bool {
        self.is_interrupted() && self.end_sleep()
    }

    /// Wakes a waiting thread. The caller is not preempted between this and what the result asks for.
    pub fn wake(&self) -> Woken {
        match self.end_sleep() {
            false => Woken::No,
            true if self.requeue() => Woken::Left,
            true => Woken::Enqueue,
        }
    }

    /// Has the hart on the thread's stack queue it when that has left; false if there is none.
    fn requeue(&self) -> bool {
        let asked =
            self.stack
                .compare_exchange(ON_CPU, REQUEUE, Ordering::AcqRel, Ordering::Acquire);
        asked.is_ok()
    }

    /// Interrupts it; true if it has to be woken for that.
    pub fn interrupt(&self) -> bool {
        self.interrupted.store(true, Ordering::SeqCst);
        self.state.load(Ordering::SeqCst) == INTERRUPTIBLE
    }

    /// True once it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// The running thread is about to leave its hart because it waits: true, once, if it was woken since
    /// and goes on at once.
    pub fn stays(&self) -> bool {
        let woken = self.stack.load(Ordering::Acquire) == REQUEUE;
        if woken {
            // Nobody else changes it until the thread sleeps again.
            self.stack.store(ON_CPU, Ordering::Relaxed);
        }
        woken
    }

    /// The running thread is about to leave its hart for another one, and to come back.
    pub fn yields(&self) {
        // A thread that runs is not woken, so nobody else has asked.
        let asked = self.requeue();
        debug_assert!(asked, "preempted, but not running");
    }

    /// The running thread is about to leave its stack for the last time.
    pub fn end(&self) {
        self.state.store(ENDED, Ordering::SeqCst);
        self.stack.store(LAST_TIME, Ordering::Relaxed);
    }

    /// A hart takes the thread, which came out of a queue, and its stack.
    pub fn arrive(&self) {
        self.stack.store(ON_CPU, Ordering::Relaxed);
    }

    /// The hart has left the thread's stack, and tells what it has to do about the thread.
    pub fn leave(&self) -> Left {
        match self.stack.swap(OFF_CPU, Ordering::AcqRel) {
            REQUEUE => Left::Requeue,
            LAST_TIME => Left::Ended,
            _ => Left::Sleeps,
        }
    }

    /// True while it waits.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self.state.load(Ordering::Relaxed),
            INTERRUPTIBLE | UNINTERRUPTIBLE
        )
    }

    /// What it does at the moment, for lists.
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
