//! Who runs when: round robin, one queue of runnable threads a hart, idle harts steal.
//!
//! A switch goes from one thread's stack straight to the next one's. A thread is queued only when no hart is on
//! its stack any more ([`threads::RunState`] has the rules). Nobody waits for a hart to leave a stack, since
//! the host may not let that hart run at the moment: whoever wakes a thread too early, and whoever
//! preempts one, leaves it to its successor to queue it. In the same way the successor tells of a thread
//! that has ended.

use super::clock::{start_idling, start_quantum};
use super::thread::{Owner, RunnableThreads, Thread, current, try_current};
use crate::arch::switch::{Context, switch};
use crate::arch::{csr, hart, sbi};
use crate::mm::asid;
use crate::sync::{SpinLock, rank};
use abi::Event;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use fallible::KArc;
use threads::{Left, Woken};

/// What the scheduler keeps a hart.
struct Local {
    runnable: SpinLock<RunnableThreads, { rank::RUN }>,
    /// Where the hart is when it runs no thread.
    idle: Context,
    /// The thread just left, with the hart's count of it; its successor finishes the switch.
    left: AtomicPtr<Thread>,
}

static LOCAL: [Local; hart::MAX_HARTS] = [const {
    Local {
        runnable: SpinLock::new(RunnableThreads::new()),
        idle: Context::new(),
        left: AtomicPtr::new(ptr::null_mut()),
    }
}; hart::MAX_HARTS];

fn local(index: usize) -> &'static Local {
    LOCAL.get(index).unwrap_or(&LOCAL[0])
}

/// Makes a waiting thread runnable; false if it did not wait.
pub fn wake(thread: KArc<Thread>) -> bool {
    // Preempted in the middle, the thread would be runnable and in no queue.
    let _irq = hart::irq_save();
    match thread.run().wake() {
        Woken::No => return false,
        Woken::Enqueue => enqueue(thread),
        Woken::Left => {}
    }
    true
}

/// Lets a new thread run, for this owner.
///
/// # Panics
/// If it runs already.
pub fn start<T: Owner>(thread: KArc<Thread>, owner: KArc<T>) {
    thread.set_owner(owner);
    enqueue(thread);
}

/// Queues a runnable thread where it last ran, and wakes a hart for it if one idles.
fn enqueue(thread: KArc<Thread>) {
    let home = thread.last_hart.load(Ordering::Relaxed);
    local(home).runnable.lock().push(thread);
    call_idle_hart(home);
}

/// Interrupts a hart that idles, if there is one, because there is something to run: the one at
/// `home` first.
fn call_idle_hart(home: usize) {
    let _irq = hart::irq_save();
    let here = hart::this().index();
    let all = hart::all();
    let others = || all.iter().filter(|hart| hart.index() != here);
    let at_home = || others().filter(|hart| hart.index() == home);
    // Whoever turns the flag off is the one to call the hart.
    let called = at_home()
        .chain(others())
        .find(|hart| hart.idle.load(Ordering::SeqCst) && hart.idle.swap(false, Ordering::SeqCst));
    if let Some(hart) = called {
        sbi::send_interrupt(hart.id());
    }
}

/// The next thread for this hart: its own first, then the others'.
fn pick(index: usize) -> Option<KArc<Thread>> {
    let count = hart::count();
    (0..count).find_map(|i| {
        let other = local((index + i) % count);
        other.runnable.lock().pop()
    })
}

/// Gives the hart away until somebody wakes the thread, for ever if it has ended. Interrupts are
/// off, once.
pub(super) fn block() {
    if current().run().stays() {
        return;
    }
    let next = pick(hart::this().index());
    switch_to(next);
}

/// Lets the next runnable thread go first, if there is one.
pub fn yield_now() {
    let irq = hart::irq_save();
    hart::this().need_resched.store(false, Ordering::Relaxed);
    if let Some(next) = pick(hart::this().index()) {
        current().run().yields();
        switch_to(Some(next));
    }
    drop(irq);
}

/// Leaves the running thread, or the idle loop, for `next`, or for the idle loop.
fn switch_to(next: Option<KArc<Thread>>) {
    let hart = hart::this();
    debug_assert_eq!(hart.noff(), 1, "switch while a spin lock is held");
    let own = local(hart.index());
    let from: *const Context = match try_current() {
        Some(thread) => {
            thread.save_floats();
            thread.context()
        }
        None => &own.idle,
    };
    let was_idle = hart.current().is_null();
    let left = hart.current().cast_mut().cast();
    own.left.store(left, Ordering::Relaxed);
    let to: *const Context = match next {
        Some(thread) => {
            thread.run().arrive();
            thread.last_hart.store(hart.index(), Ordering::Relaxed);
            thread.enter_space(hart);
            let (owner, stack_top) = (thread.owner(), thread.stack_top());
            let thread = KArc::into_raw(thread);
            // SAFETY: from here on the hart has a count of the thread, and that one of its owner; the stack
            // is the thread's.
            unsafe { hart.set_running(thread.cast(), owner, stack_top) };
            let thread = current();
            thread.load_floats();
            if was_idle {
                start_quantum();
            }
            thread.context()
        }
        None => {
            hart.set_idle();
            asid::enter_kernel(hart);
            &own.idle
        }
    };
    hart::note(Event::Switch);
    let intena = hart.intena();
    // SAFETY: interrupts are off; `to` came out of a queue with nobody on its stack, or is this
    // hart's own idle context; `from` is the running context's place.
    unsafe { switch(from, to) };
    finish_switch();
    hart::this().set_intena(intena);
}

/// The first thing on the new stack: lets go of the thread that was left.
fn finish_switch() {
    let hart = hart::this();
    let place = &local(hart.index()).left;
    let left = place.load(Ordering::Relaxed);
    if left.is_null() {
        return;
    }
    place.store(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: `left` was this hart's current thread, made with `into_raw`; the count passes here.
    let thread = unsafe { KArc::from_raw(left) };
    match thread.run().leave() {
        Left::Sleeps => {}
        Left::Requeue => enqueue(thread),
        Left::Ended => {
            // Whoever reaps what the thread ran for is to be the last one to let go of it, so that
            // all its memory is back then.
            let (ended, owner) = thread.ended();
            drop(thread);
            // SAFETY: it is that of the owner, and called once.
            unsafe { ended(owner) };
        }
    }
}

/// Ends the running thread. What it ran for is told when nobody is on its stack any more.
pub fn end() -> ! {
    // Interrupts stay off from here on: an ended thread that is preempted would be queued again.
    hart::push_off();
    current().run().end();
    block();
    unreachable!("an ended thread ran");
}

/// Interrupts a thread: if it waits for something, it waits no longer.
pub fn interrupt(thread: &KArc<Thread>) {
    if thread.run().interrupt() {
        wake(thread.clone());
    }
}

/// First code of every new thread, before its own.
pub fn enter_new_context() {
    finish_switch();
    hart::this().set_intena(true);
    hart::pop_off();
}

/// What a hart does when it has no thread to run; each hart ends up here after boot.
pub fn idle_loop() -> ! {
    let hart = hart::this();
    csr::irq_enable();
    hart::push_off();
    loop {
        hart.idle.store(true, Ordering::SeqCst);
        // Who queues after this looks sees `idle` and interrupts the hart.
        if let Some(next) = pick(hart.index()) {
            // Whoever turned the flag off has called this hart for a thread that may be another one.
            let called = !hart.idle.swap(false, Ordering::SeqCst);
            if called || local(hart.index()).runnable.lock().first().is_some() {
                call_idle_hart(hart.index());
            }
            switch_to(Some(next));
            continue;
        }
        start_idling();
        hart::account_wait(csr::wait_for_interrupt);
        hart.idle.store(false, Ordering::SeqCst);
        hart::pop_off();
        // The interrupt that ended the wait is taken here.
        hart::push_off();
    }
}
