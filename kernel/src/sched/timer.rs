//! Sleeping until a time, and what the clock's interrupt does.

use super::Awaited;
use super::clock::{NEXT_DEADLINE, start_idling, start_quantum};
use super::run::{block, wake};
use super::thread::{Thread, WaitingThreads, current};
use super::wait::Interrupted;
use crate::arch::{hart, timer};
use crate::sync::{SpinLock, rank};
use core::sync::atomic::Ordering;

static SLEEPERS: SpinLock<WaitingThreads, { rank::TIMER }> = SpinLock::new(WaitingThreads::new());

/// The clock interrupted: wakes sleepers whose time has come; the running thread may have had its
/// share.
pub fn tick() {
    let now = timer::now();
    if NEXT_DEADLINE.load(Ordering::SeqCst) <= now {
        wake_sleepers(now);
    }
    let hart = hart::this();
    hart.last_tick.store(now, Ordering::Relaxed);
    if hart.current().is_null() {
        start_idling();
    } else {
        hart.need_resched.store(true, Ordering::Relaxed);
        start_quantum();
    }
}

fn wake_sleepers(now: u64) {
    loop {
        let mut sleepers = SLEEPERS.lock();
        let first = sleepers
            .first()
            .map_or(u64::MAX, |p| p.deadline.load(Ordering::Relaxed));
        NEXT_DEADLINE.store(first, Ordering::SeqCst);
        if first > now {
            return;
        }
        let thread = sleepers.pop();
        drop(sleepers);
        if let Some(thread) = thread {
            wake(thread);
        }
    }
}

/// Waits until the clock shows `deadline` (in counts of the timer) or the thread is interrupted.
pub fn sleep_until(deadline: u64) -> Result<(), Interrupted> {
    let thread = current();
    while timer::now() < deadline {
        let irq = hart::irq_save();
        thread.deadline.store(deadline, Ordering::Relaxed);
        {
            let mut sleepers = SLEEPERS.lock();
            thread.begin_sleep(true, Awaited::Time, 0);
            let later = |other: &Thread| other.deadline.load(Ordering::Relaxed) > deadline;
            sleepers.insert(thread.to_arc(), later);
            NEXT_DEADLINE.fetch_min(deadline, Ordering::SeqCst);
        }
        // A thread that was interrupted before it slept must not sleep.
        if !thread.run().cancel_sleep_if_interrupted() {
            start_quantum();
            block();
        }
        drop(irq);
        if thread.is_queued_waiting() {
            SLEEPERS.lock().remove(&thread);
        }
        if thread.is_interrupted() {
            return Err(Interrupted);
        }
    }
    Ok(())
}
