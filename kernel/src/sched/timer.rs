//! Timeouts and the timer interrupt.

use super::Wchan;
use super::clock::{NEXT_DEADLINE, start_idle, start_quantum};
use super::run::{block, wake};
use super::thread::{Thread, WaitingThreads, current};
use super::wait::Interrupted;
use crate::arch::{hart, timer};
use crate::sync::{SpinLock, rank};
use core::sync::atomic::Ordering;

static SLEEPERS: SpinLock<WaitingThreads, { rank::TIMER }> = SpinLock::new(WaitingThreads::new());

/// Handles a timer interrupt: wakes threads whose timeout has passed, and requests a reschedule.
pub fn tick() {
    let now = timer::now();
    if NEXT_DEADLINE.load(Ordering::SeqCst) <= now {
        wake_sleepers(now);
    }
    let hart = hart::this();
    hart.last_tick.store(now, Ordering::Relaxed);
    if hart.current().is_null() {
        start_idle();
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

/// Sleeps until `deadline`, in ticks of [`timer::now`].
///
/// # Errors
/// If the thread is interrupted before.
pub fn sleep_until(deadline: u64) -> Result<(), Interrupted> {
    let thread = current();
    while timer::now() < deadline {
        let irq = hart::irq_save();
        thread.deadline.store(deadline, Ordering::Relaxed);
        {
            let mut sleepers = SLEEPERS.lock();
            thread.prepare_to_wait(true, Wchan::Time, 0);
            let later = |other: &Thread| other.deadline.load(Ordering::Relaxed) > deadline;
            sleepers.insert(thread.to_arc(), later);
            NEXT_DEADLINE.fetch_min(deadline, Ordering::SeqCst);
        }
        // An interruption before `prepare_to_wait` has woken nobody.
        if !thread.run().cancel_wait_if_interrupted() {
            start_quantum();
            block();
        }
        drop(irq);
        if thread.is_on_wait_queue() {
            SLEEPERS.lock().remove(&thread);
        }
        if thread.is_interrupted() {
            return Err(Interrupted);
        }
    }
    Ok(())
}
