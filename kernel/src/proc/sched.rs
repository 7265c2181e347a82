//! Who runs when: round robin, one queue of runnable processes a hart, idle harts steal.
//!
//! A switch goes from one process's stack straight to the next one's. Two rules keep two harts from
//! one stack: a process is queued only when no hart is on its stack any more, and only its queue hands
//! it out. Nobody waits for a hart to leave a stack, since the host may not let that hart run at the
//! moment: whoever wakes a process too early, and whoever preempts one, leaves it to its successor to
//! queue it. In the same way the successor tells of a process that has ended.

use super::process::Left;
use super::{Process, ProcessQueue, QueueKind, exit};
use crate::arch::switch::{Context, switch};
use crate::arch::{csr, hart, sbi, timer};
use crate::mm::asid;
use crate::sync::{Awaited, Interrupted, SpinLock, rank};
use abi::Event;
use core::cell::{Cell, UnsafeCell};
use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering};
use kmalloc::KArc;

/// Milliseconds that a process runs before the next one gets its turn.
const QUANTUM_MS: u64 = 10;

/// What the scheduler keeps a hart.
struct Local {
    runnable: SpinLock<ProcessQueue, { rank::RUN }>,
    /// Where the hart is when it runs no process.
    idle: UnsafeCell<Context>,
    /// The process just left; its successor finishes the switch.
    left: Cell<*const Process>,
}

// SAFETY: `idle` and `left` are used by their own hart only, with interrupts off.
unsafe impl Sync for Local {}

static LOCAL: [Local; hart::MAX_HARTS] = [const {
    Local {
        runnable: SpinLock::new(ProcessQueue::new(QueueKind::Runnable)),
        idle: UnsafeCell::new(Context::new()),
        left: Cell::new(core::ptr::null()),
    }
}; hart::MAX_HARTS];

static SLEEPERS: SpinLock<ProcessQueue, { rank::TIMER }> =
    SpinLock::new(ProcessQueue::new(QueueKind::Waiting(Awaited::Time)));
/// Deadline of the first sleeper.
static NEXT_DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);

/// The process that runs this code.
pub struct Current(*const Process);

impl Deref for Current {
    type Target = Process;
    #[inline]
    fn deref(&self) -> &Process {
        // SAFETY: the hart holds a reference to the process it runs, so it lives as long as its
        // own code runs; `Current` is neither `Send` nor stored anywhere.
        unsafe { &*self.0 }
    }
}

impl Current {
    /// A counted reference.
    pub fn to_arc(&self) -> KArc<Process> {
        // SAFETY: the pointer came out of `KArc::into_raw`; the hart's own count stays.
        let hart_own = core::mem::ManuallyDrop::new(unsafe { KArc::from_raw(self.0) });
        KArc::clone(&hart_own)
    }
}

/// The process that runs this code.
///
/// # Panics
/// If it is the idle loop or boot code, which is an error in the kernel.
#[inline]
pub fn current() -> Current {
    let process = hart::current_process();
    assert!(!process.is_null(), "no process here");
    Current(process)
}

/// The process that runs this code, if any.
pub fn try_current() -> Option<Current> {
    let process = hart::current_process();
    (!process.is_null()).then_some(Current(process))
}

fn local(index: usize) -> &'static Local {
    LOCAL.get(index).unwrap_or(&LOCAL[0])
}

/// Makes a waiting process runnable; false if it did not wait.
pub fn wake(process: KArc<Process>) -> bool {
    // Preempted in the middle, the process would be runnable and in no queue.
    let _off = hart::off();
    if !process.end_sleep() {
        return false;
    }
    if !process.call_back() {
        enqueue(process);
    }
    true
}

/// Lets a new process run.
pub fn start(process: KArc<Process>) {
    enqueue(process);
}

/// Queues a runnable process where it last ran, and wakes a hart for it if one idles.
fn enqueue(process: KArc<Process>) {
    let home = process.last_hart.load(Ordering::Relaxed);
    local(home).runnable.lock().push(process);
    call_idle_hart(home);
}

/// Interrupts a hart that idles, if there is one, because there is something to run: the one at
/// `home` first.
fn call_idle_hart(home: usize) {
    let _off = hart::off();
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

/// The next process for this hart: its own first, then the others'.
fn pick(index: usize) -> Option<KArc<Process>> {
    let count = hart::count();
    (0..count).find_map(|i| {
        let other = local((index + i) % count);
        other.runnable.lock().pop()
    })
}

/// Gives the hart away until somebody wakes the process, for ever if it has ended. Interrupts are
/// off, once.
pub fn block() {
    if current().was_called_back() {
        return;
    }
    let next = pick(hart::this().index());
    switch_to(next);
}

/// Lets the next runnable process go first, if there is one.
pub fn yield_now() {
    let off = hart::off();
    hart::this().expired.set(false);
    if let Some(next) = pick(hart::this().index()) {
        // A process that runs is not woken, so nobody else has called it back.
        let called = current().call_back();
        debug_assert!(called, "preempted, but not running");
        switch_to(Some(next));
    }
    drop(off);
}

/// Leaves the running process, or the idle loop, for `next`, or for the idle loop.
fn switch_to(next: Option<KArc<Process>>) {
    let hart = hart::this();
    debug_assert_eq!(hart.depth(), 1, "switch while a spin lock is held");
    let own = local(hart.index());
    let from_process = hart.current();
    // SAFETY: the hart's reference keeps the process it runs.
    let from = match unsafe { from_process.as_ref() } {
        Some(process) => {
            save_floats(process);
            process.context()
        }
        None => own.idle.get(),
    };
    own.left.set(from_process);
    let to = match next {
        Some(process) => {
            process.arrive();
            process.last_hart.store(hart.index(), Ordering::Relaxed);
            hart.set_kernel_sp(process.stack_top());
            asid::enter(hart, &process);
            load_floats(&process);
            if from_process.is_null() {
                start_quantum();
            }
            let to = process.context();
            hart.set_current(KArc::into_raw(process));
            to
        }
        None => {
            hart.set_current(core::ptr::null());
            asid::enter_kernel(hart);
            own.idle.get()
        }
    };
    hart::note(Event::Switch);
    let were_on = hart.were_on();
    // SAFETY: interrupts are off; `to` came out of a queue with nobody on its stack, or is this
    // hart's own idle context; `from` is the running context's place.
    unsafe { switch(from, to) };
    finish_switch();
    hart::this().set_were_on(were_on);
}

/// The first thing on the new stack: lets go of the process that was left.
fn finish_switch() {
    let hart = hart::this();
    let left = local(hart.index()).left.replace(core::ptr::null());
    if left.is_null() {
        return;
    }
    // SAFETY: `left` was this hart's current process, made with `into_raw`; the count passes here.
    let process = unsafe { KArc::from_raw(left) };
    match process.leave() {
        Left::Sleeps => {}
        Left::ComesBack => enqueue(process),
        Left::Ended => exit::tell(process),
    }
}

/// First code of every new process, before its own.
pub fn enter_new_context() {
    finish_switch();
    hart::this().set_were_on(true);
    hart::leave();
}

/// The running process takes another address space, with this root table, into use.
pub fn change_space(process: &Process, satp: usize) {
    let _off = hart::off();
    process.set_satp(satp);
    process.tag().reset();
    asid::enter(hart::this(), process);
}

fn save_floats(process: &Process) {
    if process.frame().float_state() == csr::SSTATUS_FS_DIRTY {
        // SAFETY: the process runs here, so its registers are this hart's and the place is free.
        unsafe { (*process.floats()).save() };
        process.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
    }
}

fn load_floats(process: &Process) {
    if process.frame().float_state() != 0 {
        // SAFETY: nobody else runs the process.
        unsafe { (*process.floats()).load() };
    }
}

/// Turns the floating point unit on for the running process, with its registers zero.
pub fn enable_floats(process: &Process) {
    let _off = hart::off();
    // SAFETY: the process runs here, so nobody else uses its place.
    unsafe {
        *process.floats() = crate::arch::fpu::FloatRegisters::new();
        (*process.floats()).load();
    }
    process.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
}

fn start_quantum() {
    let quantum = timer::now() + timer::frequency() * QUANTUM_MS / 1000;
    timer::set(quantum.min(NEXT_DEADLINE.load(Ordering::Relaxed)));
}

/// The clock interrupted: wakes sleepers whose time has come; the running process may have had its
/// share.
pub fn tick() {
    let now = timer::now();
    if NEXT_DEADLINE.load(Ordering::SeqCst) <= now {
        wake_sleepers(now);
    }
    let hart = hart::this();
    hart.ticked.store(now, Ordering::Relaxed);
    if hart.current().is_null() {
        timer::set(NEXT_DEADLINE.load(Ordering::SeqCst));
    } else {
        hart.expired.set(true);
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
        let process = sleepers.pop();
        drop(sleepers);
        if let Some(process) = process {
            wake(process);
        }
    }
}

/// Waits until the clock shows `deadline` (in counts of the timer) or the process is killed.
pub fn sleep_until(deadline: u64) -> Result<(), Interrupted> {
    let process = current();
    while timer::now() < deadline {
        let off = hart::off();
        process.deadline.store(deadline, Ordering::Relaxed);
        {
            let mut sleepers = SLEEPERS.lock();
            process.begin_sleep(true, Awaited::Time, 0);
            let later = |other: &Process| other.deadline.load(Ordering::Relaxed) > deadline;
            sleepers.insert(process.to_arc(), later);
            NEXT_DEADLINE.fetch_min(deadline, Ordering::SeqCst);
        }
        // A process that was killed before it slept must not sleep.
        if !(process.is_killed() && process.cancel_sleep()) {
            start_quantum();
            block();
        }
        drop(off);
        if process.is_queued_waiting() {
            SLEEPERS.lock().remove(&process);
        }
        if process.is_killed() {
            return Err(Interrupted);
        }
    }
    Ok(())
}

/// What a hart does when it has no process to run; each hart ends up here after boot.
pub fn idle_loop() -> ! {
    let hart = hart::this();
    csr::interrupts_on();
    hart::enter();
    loop {
        hart.idle.store(true, Ordering::SeqCst);
        // Who queues after this looks sees `idle` and interrupts the hart.
        if let Some(next) = pick(hart.index()) {
            // Whoever turned the flag off has called this hart for a process that may be another one.
            let called = !hart.idle.swap(false, Ordering::SeqCst);
            if called || local(hart.index()).runnable.lock().first().is_some() {
                call_idle_hart(hart.index());
            }
            switch_to(Some(next));
            continue;
        }
        timer::set(NEXT_DEADLINE.load(Ordering::SeqCst));
        hart::waiting(csr::wait_for_interrupt);
        hart.idle.store(false, Ordering::SeqCst);
        hart::leave();
        // The interrupt that ended the wait is taken here.
        hart::enter();
    }
}
