//! The scheduler: round robin, one run queue per hart, idle harts steal.
//!
//! A switch goes from one thread's stack directly to the next one's. A thread is enqueued only when no hart is on
//! its stack ([`threads::RunState`] has the rules). Nobody spins until a hart has left a stack, since a
//! hypervisor may have preempted that hart. Instead the next thread on the hart finishes the switch: it enqueues
//! a thread that was preempted, or woken before it was off its stack, and releases one that has exited.

use super::clock::{start_idle, start_quantum};
use super::thread::{Owner, RunnableThreads, Thread, current, try_current};
use crate::arch::switch::{Context, switch};
use crate::arch::{csr, hart, sbi};
use crate::mm::asid;
use crate::sync::{SpinLock, rank};
use abi::Event;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use fallible::KArc;
use threads::{SwitchedOut, Woken};

/// Scheduler state of one hart.
struct RunQueue {
    runnable: SpinLock<RunnableThreads, { rank::RUN }>,
    /// The context of the idle loop.
    idle: Context,
    /// The thread switched from, with the hart's reference to it, until `finish_switch`.
    prev: AtomicPtr<Thread>,
}

static RUN_QUEUES: [RunQueue; hart::MAX_HARTS] = [const {
    RunQueue {
        runnable: SpinLock::new(RunnableThreads::new()),
        idle: Context::new(),
        prev: AtomicPtr::new(ptr::null_mut()),
    }
}; hart::MAX_HARTS];

fn run_queue(index: usize) -> &'static RunQueue {
    RUN_QUEUES.get(index).unwrap_or(&RUN_QUEUES[0])
}

/// Makes a waiting thread runnable; returns false if it was not waiting.
pub fn wake(thread: KArc<Thread>) -> bool {
    // A preemption between the two steps would leave the thread runnable but in no queue.
    let _irq = hart::irq_save();
    match thread.run().wake() {
        Woken::No => return false,
        Woken::Enqueue => enqueue(thread),
        Woken::OnCpu => {}
    }
    true
}

/// Starts a new thread, with this owner.
///
/// # Panics
/// If it was started before.
pub fn start<T: Owner>(thread: KArc<Thread>, owner: KArc<T>) {
    thread.set_owner(owner);
    enqueue(thread);
}

/// Enqueues a runnable thread on the hart where it last ran, and kicks an idle hart if there is one.
pub(super) fn enqueue(thread: KArc<Thread>) {
    let home = thread.last_hart.load(Ordering::Relaxed);
    run_queue(home).runnable.lock().push(thread);
    kick_idle_hart(home);
}

/// Sends an IPI to an idle hart, if there is one, so that it looks for runnable threads; preferably to the hart
/// with index `home`.
fn kick_idle_hart(home: usize) {
    let _irq = hart::irq_save();
    let here = hart::this().index();
    let all = hart::all();
    let others = || all.iter().filter(|hart| hart.index() != here);
    let at_home = || others().filter(|hart| hart.index() == home);
    // Only the one who clears the flag sends the IPI.
    let called = at_home()
        .chain(others())
        .find(|hart| hart.idle.load(Ordering::SeqCst) && hart.idle.swap(false, Ordering::SeqCst));
    if let Some(hart) = called {
        sbi::send_interrupt(hart.id());
    }
}

/// The next thread to run on this hart, from its own run queue or else another one.
fn pick_next(index: usize) -> Option<KArc<Thread>> {
    let count = hart::count();
    (0..count).find_map(|i| {
        let other = run_queue((index + i) % count);
        other.runnable.lock().pop()
    })
}

/// Switches away until the thread is woken; for ever if it has exited. Called with interrupts disabled by exactly
/// one level.
pub(super) fn block() {
    if current().run().take_wakeup() {
        return;
    }
    let next = pick_next(hart::this().index());
    switch_to(next);
}

/// Yields to the next runnable thread, if there is one.
pub fn yield_now() {
    let irq = hart::irq_save();
    hart::this().need_resched.store(false, Ordering::Relaxed);
    if let Some(next) = pick_next(hart::this().index()) {
        current().run().preempt();
        switch_to(Some(next));
    }
    drop(irq);
}

/// Switches to `next`, or to the idle loop.
fn switch_to(next: Option<KArc<Thread>>) {
    let hart = hart::this();
    debug_assert_eq!(hart.noff(), 1, "switch while a spin lock is held");
    let rq = run_queue(hart.index());
    let from: *const Context = match try_current() {
        Some(thread) => {
            thread.save_fpu();
            thread.context()
        }
        None => &rq.idle,
    };
    let was_idle = hart.current().is_null();
    let prev = hart.current().cast_mut().cast();
    rq.prev.store(prev, Ordering::Relaxed);
    let to: *const Context = match next {
        Some(thread) => {
            thread.run().switch_in();
            thread.last_hart.store(hart.index(), Ordering::Relaxed);
            thread.enter_space(hart);
            let (owner, stack_top) = (thread.owner(), thread.stack_top());
            let thread = KArc::into_raw(thread);
            // SAFETY: the hart now holds a reference to the thread, which holds one to its owner; the stack is
            // the thread's.
            unsafe { hart.set_running(thread.cast(), owner, stack_top) };
            let thread = current();
            thread.restore_fpu();
            if was_idle {
                start_quantum();
            }
            thread.context()
        }
        None => {
            hart.set_idle();
            asid::enter_kernel(hart);
            &rq.idle
        }
    };
    hart::note(Event::Switch);
    let intena = hart.intena();
    // SAFETY: interrupts are disabled. `to` came out of a run queue, so no hart is on its stack, or it is this
    // hart's idle context. `from` belongs to the running context.
    unsafe { switch(from, to) };
    finish_switch();
    hart::this().set_intena(intena);
}

/// Runs first on the new stack: completes the switch from the previous thread, as Linux's `finish_task_switch`.
fn finish_switch() {
    let hart = hart::this();
    let place = &run_queue(hart.index()).prev;
    let prev = place.load(Ordering::Relaxed);
    if prev.is_null() {
        return;
    }
    place.store(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: `prev` was this hart's current thread, from `into_raw`; the reference passes here.
    let thread = unsafe { KArc::from_raw(prev) };
    match thread.run().switch_out() {
        SwitchedOut::Sleeps => {}
        SwitchedOut::Requeue => enqueue(thread),
        SwitchedOut::Ended => {
            // The reference is dropped before the owner is notified, so that whoever reaps the owner drops
            // the last one, and all memory is free then.
            let (ended, owner) = thread.ended();
            drop(thread);
            // SAFETY: function and owner belong together; it is called once.
            unsafe { ended(owner) };
        }
    }
}

/// Whether no other thread is running or runnable, approximately.
pub fn nobody_else_runs() -> bool {
    let irq = hart::irq_save();
    let here = hart::this().index();
    drop(irq);
    let is_idle = |hart: &hart::Hart| hart.index() == here || hart.idle.load(Ordering::Relaxed);
    let is_empty = |index| run_queue(index).runnable.lock().first().is_none();
    hart::all().iter().all(is_idle) && (0..hart::count()).all(is_empty)
}

/// Exits the running thread. Its owner is notified when no hart is on its stack.
pub fn end() -> ! {
    // No preemption from here on: it would enqueue an exited thread.
    hart::push_off();
    current().run().end();
    block();
    unreachable!("an ended thread ran");
}

/// Interrupts a thread: its interruptible waits end, now and in future.
pub fn interrupt(thread: &KArc<Thread>) {
    if thread.run().interrupt() {
        wake(thread.clone());
    }
}

/// First code of every new thread: finishes the switch and enables interrupts, as Linux's `schedule_tail`.
pub fn schedule_tail() {
    finish_switch();
    hart::this().set_intena(true);
    hart::pop_off();
}

/// The idle loop, where each hart ends up after boot.
pub fn idle_loop() -> ! {
    let hart = hart::this();
    csr::irq_enable();
    hart::push_off();
    loop {
        hart.idle.store(true, Ordering::SeqCst);
        // Whoever enqueues after this look sees `idle` and sends an IPI.
        if let Some(next) = pick_next(hart.index()) {
            // The IPI may have been for another thread than the one picked.
            let called = !hart.idle.swap(false, Ordering::SeqCst);
            if called || run_queue(hart.index()).runnable.lock().first().is_some() {
                kick_idle_hart(hart.index());
            }
            switch_to(Some(next));
            continue;
        }
        start_idle();
        hart::account_wait(csr::wait_for_interrupt);
        hart.idle.store(false, Ordering::SeqCst);
        hart::pop_off();
        // The pending interrupt is taken here.
        hart::push_off();
    }
}
