//! The state dump of Ctrl-P: what each hart runs, what each thread waits for, and the locks held. It runs in an
//! interrupt handler and must work even if no process can run. Each other hart gets an IPI and prints its own state;
//! for a hart that does not respond, this one prints what is recorded. Locks are waited for with a timeout.
//!
//! Only checked builds record held locks. Wait channels are recorded in every build.

use crate::arch::hart::{self, Hart, Interrupted};
use crate::arch::held_locks::HeldLock;
use crate::arch::{layout, sbi, timer};
use crate::debug::backtrace::{self, CallTrace};
use crate::dev::console;
use crate::mm::ram::frames;
use crate::proc::{self, Process, TABLE, Table, state_of};
use crate::sched::{self, KernelThread, Thread, Wchan};
use crate::symbols::Symbol;
use crate::sync::{LONG_SPIN, poll_timeout, rank};
use crate::{print, println};
use core::fmt;
use core::sync::atomic::Ordering;
use fallible::KArc;

/// Timeout for a hart's response, in timeouts of [`poll_timeout`].
const ROUNDS: usize = 10;

const IDLE: u8 = 0;
const REQUESTED: u8 = 1;
const PRINTING: u8 = 2;

/// A time in timer ticks, displayed in seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / (timer::frequency() / 10).max(1);
        let width = f.width().unwrap_or(0).saturating_sub(2);
        write!(f, "{:width$}.{}", tenths / 10, tenths % 10)
    }
}

/// Prints the state dump.
pub fn print() {
    println!("\nstate after {} s:", Seconds(timer::now()));
    let here = hart::this();
    for hart in hart::all() {
        if core::ptr::eq(hart, here) {
            print_this_hart();
        } else if !request_report(hart) {
            print_other_hart(hart);
        }
    }
    match poll_timeout(|| TABLE.try_lock()) {
        Some(table) => print_processes(&table),
        None => println!("the process table is locked"),
    }
    match poll_timeout(|| frames().try_stats()) {
        Some(stats) => println!("{} of {} pages free", stats.free, stats.total),
        None => println!("the frame allocator is locked"),
    }
    if !cfg!(debug_assertions) {
        println!("only a checked kernel records who holds a lock (PROFILE=checked)");
    }
    println!("end of state");
}

/// Makes another hart print its state; returns false if it does not respond.
fn request_report(hart: &Hart) -> bool {
    hart.report_request.store(REQUESTED, Ordering::SeqCst);
    sbi::send_interrupt(hart.id());
    // A hypervisor may have preempted that hart, so the timeout is longer than for a lock.
    let done = || (hart.report_request.load(Ordering::SeqCst) == IDLE).then_some(());
    if (0..ROUNDS).any(|_| poll_timeout(done).is_some()) {
        return true;
    }
    let revoked =
        hart.report_request
            .compare_exchange(REQUESTED, IDLE, Ordering::SeqCst, Ordering::SeqCst);
    if revoked.is_ok() {
        return false;
    }
    poll_timeout(done);
    true
}

/// Prints this hart's state if another hart has requested it. Called on an inter-processor interrupt.
#[inline]
pub fn handle_ipi() {
    if hart::this().report_request.load(Ordering::Relaxed) != IDLE {
        handle_request();
    }
}

#[cold]
fn handle_request() {
    let request = &hart::this().report_request;
    let begun = request.compare_exchange(REQUESTED, PRINTING, Ordering::SeqCst, Ordering::SeqCst);
    if begun.is_ok() {
        print_this_hart();
        request.store(IDLE, Ordering::SeqCst);
    }
}

/// Prints what this hart ran when it was interrupted. It held no spin lock, since interrupts were enabled.
fn print_this_hart() {
    let hart = hart::this();
    let index = hart.index();
    let Some(process) = proc::try_current() else {
        let current = hart.current().cast();
        let is_it = |kernel: &&KernelThread| core::ptr::eq(KArc::as_ptr(kernel.thread()), current);
        match sched::kernel_threads()
            .map(|(_, kernel)| kernel)
            .find(is_it)
        {
            Some(kernel) => println!("hart {index}: {}", kernel.name()),
            None => println!("hart {index}: idle"),
        }
        return;
    };
    let (pid, name) = (process.pid, NameOf(&process));
    let pc = hart.interrupted.pc.get();
    let image = layout::image();
    if (image.text..image.etext).contains(&pc) {
        let trace = trace(&process, &hart.interrupted);
        println!("hart {index}: pid {pid} {name} in the kernel: {trace}");
    } else {
        println!("hart {index}: pid {pid} {name} at {pc:#x}");
    }
}

/// The call trace of the interrupted code.
fn trace(process: &Process, interrupted: &Interrupted) -> impl fmt::Display {
    let fp = interrupted.frame_pointer.get();
    let callers = process.thread().callers_from(fp);
    CallTrace {
        at: Some(interrupted.pc.get()),
        callers,
        call: process.thread().syscall_number(),
    }
}

/// Prints what is recorded about another hart, which does not respond.
fn print_other_hart(hart: &Hart) {
    let index = hart.index();
    let since = timer::now().saturating_sub(hart.last_tick.load(Ordering::Relaxed));
    println!(
        "hart {index}: does not answer; the clock interrupted it {} s ago",
        Seconds(since)
    );
    match proc::pid_on(hart) {
        None => println!("    runs no process"),
        Some(number) => println!("    runs pid {number}"),
    }
    for lock in hart.spinning_on.iter() {
        println!("    spins for {}", SpinTarget(lock));
    }
    // The lock that it spins on is in both lists.
    let wanted = hart.spinning_on.iter().next().map(|lock| lock.lock);
    for lock in hart
        .held_locks
        .iter()
        .filter(|lock| Some(lock.lock) != wanted)
    {
        let (name, place) = (rank::name(lock.kind), Symbol(lock.at));
        println!("    holds lock {:#x}, {name}, taken in{place}", lock.lock);
    }
}

/// A spin lock that a hart spins on.
struct SpinTarget(HeldLock);

impl fmt::Display for SpinTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldLock { kind, lock, at } = self.0;
        write!(f, "lock {lock:#x}, {}, in{}", rank::name(kind), Symbol(at))
    }
}

/// Reports that this hart has spun on a lock for [`LONG_SPIN`] seconds; in a checked kernel, also the holder.
pub fn report_long_spin(wanted: HeldLock) {
    console::bust_spinlocks(|| {
        let hart = hart::this();
        print!(
            "\nhart {} spins for {LONG_SPIN} s for {}",
            hart.index(),
            SpinTarget(wanted)
        );
        match proc::try_current() {
            Some(process) => println!(", for pid {} {}", process.pid, NameOf(&process)),
            None => println!(", for no process"),
        }
        for other in hart::all() {
            let is_it = |lock: &HeldLock| lock.lock == wanted.lock;
            // A hart that spins on it has it in both lists.
            let spins = other.spinning_on.iter().any(|lock| is_it(&lock));
            if let Some(held) = other.held_locks.iter().find(is_it).filter(|_| !spins) {
                println!("hart {} took it in{}", other.index(), Symbol(held.at));
            }
        }
        backtrace::print(0, 0);
    });
}

/// Displays the name of a process; `?` if its lock is held.
struct NameOf<'a>(&'a Process);

impl fmt::Display for NameOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.try_name() {
            Some(name) => name.fmt(f),
            None => f.pad("?"),
        }
    }
}

fn print_processes(table: &Table) {
    println!("  pid parent state   pages name             since, waits for");
    for (number, kernel) in sched::kernel_threads() {
        let state = state_of(kernel.thread().state()).name();
        let start = format_args!("{number:5} {:6} {state:6} {:6}", 0, 0);
        print_thread(table, start, &kernel.name(), kernel.thread());
    }
    table.for_each(|process, parent| {
        let (pid, parent) = (process.pid, parent.unwrap_or(0));
        let (state, pages) = (process.state().name(), process.mm().resident());
        let start = format_args!("{pid:5} {parent:6} {state:6} {pages:6}");
        print_thread(table, start, &NameOf(process), process.thread());
    });
}

/// Prints what a thread waits for and what it holds, behind `start` and its name.
fn print_thread(
    table: &Table,
    start: fmt::Arguments<'_>,
    name: &dyn fmt::Display,
    thread: &Thread,
) {
    match thread.wchan() {
        Some((wchan, queue, since)) => {
            let since = Seconds(timer::now().saturating_sub(since));
            let trace = CallTrace {
                at: None,
                callers: thread.callers(),
                call: thread.syscall_number(),
            };
            println!("{start} {name:16} {since:5} s {wchan}: {trace}");
            print_holder(table, queue);
        }
        None => println!("{start} {name}"),
    }
    for lock in thread.held_locks().iter() {
        let (name, place) = (Wchan::name(lock.kind), Symbol(lock.at));
        println!("      holds the {name}, taken in{place}");
    }
}

/// Prints the holder of the sleeping lock with this wait queue.
fn print_holder(table: &Table, queue: usize) {
    let holds = |thread: &Thread| thread.held_locks().iter().any(|held| held.lock == queue);
    table.for_each(|process, _| {
        if holds(process.thread()) {
            println!("      which pid {} holds", process.pid);
        }
    });
    for (_, kernel) in sched::kernel_threads().filter(|(_, kernel)| holds(kernel.thread())) {
        println!("      which {} holds", kernel.name());
    }
}
