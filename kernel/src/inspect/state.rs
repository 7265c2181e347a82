//! What Ctrl-P prints: what each hart runs, what each process waits for, and the locks held. It is
//! made in an interrupt, when perhaps no process can run any more. Each other hart is asked by an
//! interrupt and tells for itself; of one that does not answer, its records are read. A lock that
//! somebody holds is waited for a while only.
//!
//! Only checked builds record locks that are held. What is waited for is recorded in every build, when
//! the wait begins.

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

/// How often the usual patience a hart has for its answer.
const ROUNDS: usize = 10;

const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
const ANSWERS: u8 = 2;

/// Counts of the clock, printed in seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / (timer::frequency() / 10).max(1);
        let width = f.width().unwrap_or(0).saturating_sub(2);
        write!(f, "{:width$}.{}", tenths / 10, tenths % 10)
    }
}

/// Prints all of it.
pub fn print() {
    println!("\nstate after {} s:", Seconds(timer::now()));
    let here = hart::this();
    for hart in hart::all() {
        if core::ptr::eq(hart, here) {
            tell();
        } else if !answers(hart) {
            tell_of(hart);
        }
    }
    match poll_timeout(|| TABLE.try_lock()) {
        Some(table) => print_processes(&table),
        None => println!("the process table is locked"),
    }
    match poll_timeout(|| frames().try_stats()) {
        Some(stats) => println!("{} of {} pages free", stats.free, stats.total),
        None => println!("the free pages are locked"),
    }
    if !cfg!(debug_assertions) {
        println!("who holds a lock only a checked kernel knows (PROFILE=checked)");
    }
    println!("end of state");
}

/// Asks a hart to tell what it does; false if it does not begin to.
fn answers(hart: &Hart) -> bool {
    hart.report_request.store(ASKED, Ordering::SeqCst);
    sbi::send_interrupt(hart.id());
    // The host may not run that hart at the moment, so there is more patience than with a lock.
    let told = || (hart.report_request.load(Ordering::SeqCst) == NOT_ASKED).then_some(());
    if (0..ROUNDS).any(|_| poll_timeout(told).is_some()) {
        return true;
    }
    let revoked =
        hart.report_request
            .compare_exchange(ASKED, NOT_ASKED, Ordering::SeqCst, Ordering::SeqCst);
    if revoked.is_ok() {
        return false;
    }
    poll_timeout(told);
    true
}

/// Tells what this hart does, if another one has asked. Called on an interrupt by another hart.
#[inline]
pub fn answer() {
    if hart::this().report_request.load(Ordering::Relaxed) != NOT_ASKED {
        answer_now();
    }
}

#[cold]
fn answer_now() {
    let asked = &hart::this().report_request;
    let begun = asked.compare_exchange(ASKED, ANSWERS, Ordering::SeqCst, Ordering::SeqCst);
    if begun.is_ok() {
        tell();
        asked.store(NOT_ASKED, Ordering::SeqCst);
    }
}

/// Prints what this hart was interrupted in. Interrupts were on then, so it held no spin lock.
fn tell() {
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
    let (pid, name) = (process.pid, Printable(&process));
    let pc = hart.interrupted.pc.get();
    let image = layout::image();
    if (image.text..image.etext).contains(&pc) {
        let way = way(&process, &hart.interrupted);
        println!("hart {index}: pid {pid} {name} in the kernel: {way}");
    } else {
        println!("hart {index}: pid {pid} {name} at {pc:#x}");
    }
}

/// The instruction that was interrupted, and the calls that led there.
fn way(process: &Process, interrupted: &Interrupted) -> impl fmt::Display {
    let fp = interrupted.frame_pointer.get();
    let callers = process.thread().callers_from(fp);
    CallTrace {
        at: Some(interrupted.pc.get()),
        callers,
        call: process.thread().syscall_number(),
    }
}

/// Prints what is recorded of another hart.
fn tell_of(hart: &Hart) {
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
        println!("    spins for {}", Asked(lock));
    }
    // The one that it spins for stands in both lists.
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

/// A spin lock that is waited for.
struct Asked(HeldLock);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldLock { kind, lock, at } = self.0;
        write!(f, "lock {lock:#x}, {}, in{}", rank::name(kind), Symbol(at))
    }
}

/// Prints that this hart spins for a lock since [`LONG_SPIN`] seconds, who it is and, in a checked
/// kernel, who has the lock.
pub fn tell_long_spin(wanted: HeldLock) {
    console::bust_spinlocks(|| {
        let hart = hart::this();
        print!(
            "\nhart {} spins for {LONG_SPIN} s for {}",
            hart.index(),
            Asked(wanted)
        );
        match proc::try_current() {
            Some(process) => println!(", for pid {} {}", process.pid, Printable(&process)),
            None => println!(", for no process"),
        }
        for other in hart::all() {
            let is_it = |lock: &HeldLock| lock.lock == wanted.lock;
            // A hart that spins for it has it in both lists.
            let spins = other.spinning_on.iter().any(|lock| is_it(&lock));
            if let Some(held) = other.held_locks.iter().find(is_it).filter(|_| !spins) {
                println!("hart {} took it in{}", other.index(), Symbol(held.at));
            }
        }
        backtrace::print(0, 0);
    });
}

/// A process's name, unless it is being changed.
struct Printable<'a>(&'a Process);

impl fmt::Display for Printable<'_> {
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
        print_thread(table, start, &Printable(process), process.thread());
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
            let way = CallTrace {
                at: None,
                callers: thread.callers(),
                call: thread.syscall_number(),
            };
            println!("{start} {name:16} {since:5} s {wchan}: {way}");
            print_holder(table, queue);
        }
        None => println!("{start} {name}"),
    }
    for lock in thread.held_locks().iter() {
        let (name, place) = (Wchan::name(lock.kind), Symbol(lock.at));
        println!("      holds the {name}, taken in{place}");
    }
}

/// Who holds the sleeping lock with this wait queue.
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
