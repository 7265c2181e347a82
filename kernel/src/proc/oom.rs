//! Out of memory.
//!
//! When the page allocator has no free page, it calls the registered shrinkers in order: superpage reservations,
//! kmalloc's magazines and empty slabs, cached kernel stacks, clean page-cache pages that nobody maps. Then it
//! empties the per-CPU caches of single pages. Then the allocation fails.
//!
//! A system call returns -1 then. A page fault of a program cannot fail, so a process is killed, with a line that
//! names it and its pages: the one with the most pages, its own and the kernel's on its behalf (page tables,
//! region records, open files, pipes), and of several the youngest. If the victim is not the faulting process,
//! that one waits until the victim has exited and retries; so a process that takes all memory dies alone. While
//! a process is exiting, no victim is chosen.
//!
//! With strict accounting (`mm/commit.rs`) no victim is chosen: the faulting process retries.
//!
//! `init` is never the victim. A shell's size is divided by a constant, so it outlives any number of processes as
//! small as itself ([`processes::Table::victim`]). It can also fork when the process table is full for others
//! ([`processes::Table::check_room`]), which helps against a fork bomb.

use super::process::Process;
use super::table::TABLE;
use crate::arch::timer;
use crate::mm::{commit, ram::frames};
use crate::println;
use crate::sched;
use crate::sched::{WaitQueue, Wchan};
use crate::space::reservations;
use crate::sync::{SpinLock, rank};
use fallible::KArc;
use processes::INIT;

/// What a process does whose page fault found no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// Memory may be free now: retry the access.
    Retry,
    /// Exit: it is the victim.
    Die,
}

/// Exiting processes.
struct Exits {
    /// Processes that are releasing their memory.
    in_progress: usize,
    /// Count of those that have released it.
    completed: u64,
}

static EXITS: SpinLock<Exits, { rank::OOM }> = SpinLock::new(Exits {
    in_progress: 0,
    completed: 0,
});
static WAITERS: WaitQueue = WaitQueue::new(Wchan::Memory);

/// Free pages from which on a retry makes sense.
const MIN_FREE: usize = 16;

/// Ticks of waiting for a committed page until the console reports it.
const REPORT_TICKS: usize = 100;

/// Ticks between two retries when there is no victim.
const RETRY_TICKS: u64 = 1;

/// A process begins to release its memory.
pub fn exit_begin() {
    EXITS.lock().in_progress += 1;
}

/// A process has released its memory.
pub fn exit_end() {
    let mut exits = EXITS.lock();
    exits.in_progress -= 1;
    exits.completed += 1;
    drop(exits);
    WAITERS.wake_all();
}

fn has_free_pages() -> bool {
    let stats = frames().stats();
    stats.free + stats.reclaimable + reservations::count() >= MIN_FREE
}

/// Called when a page fault of the running process found no memory, with no lock held. Chooses a victim and
/// waits until it has exited.
pub fn relieve(process: &Process) -> Relief {
    if commit::is_strict() {
        return wait_for_committed_page(process);
    }
    if has_free_pages() {
        return Relief::Retry; // freed since the fault
    }
    // The lock is held from the look at exiting processes until a victim is chosen, so that two faults at the
    // same time choose one victim.
    let mut exits = EXITS.lock();
    let completed = exits.completed;
    if has_free_pages() {
        return Relief::Retry; // another fault's victim has exited
    }
    if exits.in_progress == 0 {
        let victim = TABLE.lock().victim(Process::footprint).cloned();
        let Some(victim) = victim else {
            drop(exits);
            return no_victim(process);
        };
        let own = core::ptr::eq(KArc::as_ptr(&victim), process);
        if !victim.is_killed() {
            let (pid, name) = (victim.pid, victim.name());
            let pages = victim.footprint();
            println!("pid {pid} {name}: out of memory, killed with {pages} pages");
        }
        Process::kill(&victim, abi::KILLED);
        if own {
            return Relief::Die;
        }
    }
    while exits.completed == completed {
        exits = match WAITERS.wait(exits) {
            Ok(guard) => guard,
            Err(_) => return Relief::Die,
        };
    }
    Relief::Retry
}

/// For a page fault in a system call that found no memory: whether the page is committed, so that a retry will
/// succeed. Sleeps before it returns true.
pub fn is_committed(process: &Process) -> bool {
    commit::is_strict() && wait_for_committed_page(process) == Relief::Retry
}

/// Waits for a committed page. It exists: a cache has it, but was locked when it was asked to shrink.
fn wait_for_committed_page(process: &Process) -> Relief {
    for _ in 0..REPORT_TICKS {
        wait_a_tick();
        let stats = frames().stats();
        if process.is_killed() {
            return Relief::Die;
        }
        if stats.free + stats.reclaimable + reservations::count() > 0 {
            return Relief::Retry;
        }
    }
    let (pid, name) = (process.pid, process.name());
    println!("pid {pid} {name}: waits for a committed page");
    Relief::Retry
}

fn wait_a_tick() {
    let tick = timer::frequency() / abi::TICKS_PER_SECOND;
    let _ = sched::sleep_until(timer::now() + RETRY_TICKS * tick);
}

/// No process but `init` has pages. `init` retries, since the kernel panics when it dies.
fn no_victim(process: &Process) -> Relief {
    if process.pid != INIT {
        return Relief::Die;
    }
    wait_a_tick();
    Relief::Retry
}
