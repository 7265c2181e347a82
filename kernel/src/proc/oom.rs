//! The policy for the end of memory.
//!
//! First the caches give back, in the order in which they are registered with `frames` at boot:
//! the frames reserved for large pages, kmalloc's magazines and empty slabs, spare kernel stacks, clean pages of files that nobody maps
//! (text that no process runs any more among them). Then the harts' caches of single pages are
//! emptied. Then the allocation fails.
//!
//! In a system call that is -1. A page fault of a program cannot fail, so a process dies, with a line
//! that names it and its pages: the one with the most, of its own and of the kernel's on its behalf
//! (page tables, records of regions, open files, pipes), the youngest of several. Where that is not
//! the one that faults, that one waits until the other is gone and tries again, so that a process that
//! takes all memory dies alone. While some process is on its way out, nobody is chosen: its memory is
//! waited for.
//!
//! With strict accounting (`mm/commit.rs`) nobody is chosen, and who faults tries again.
//!
//! `init` is never chosen. The shell dies if it takes all memory itself, and outlives any number of processes
//! that are as small as itself (see [`processes::Table::victim`]). It can also start processes when
//! nobody else can any more ([`processes::Table::check_room`]), so there is an answer to a fork bomb.

use super::process::Process;
use super::table::TABLE;
use crate::arch::timer;
use crate::mm::{commit, ram::frames};
use crate::println;
use crate::sched;
use crate::sched::{Awaited, WaitQueue};
use crate::space::reserve;
use crate::sync::{SpinLock, rank};
use fallible::KArc;
use processes::INIT;

/// How a process that found no memory goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// Memory has come back: try again.
    Retry,
    /// It is the one to die.
    Die,
}

/// Processes on their way out.
struct Endings {
    /// Those that are giving back what they have.
    under_way: usize,
    /// Those that have.
    done: u64,
}

static ENDINGS: SpinLock<Endings, { rank::OOM }> = SpinLock::new(Endings {
    under_way: 0,
    done: 0,
});
static WAITING: WaitQueue = WaitQueue::new(Awaited::Memory);

/// With this many free pages whatever failed is worth another try.
const ENOUGH: usize = 16;

/// Ticks after which a wait for a promised page is told on the console.
const LONG: usize = 100;

/// How long one waits when there is nobody to choose, in ticks.
const PATIENCE: u64 = 1;

/// A process begins to give back what it has.
pub fn ending() {
    ENDINGS.lock().under_way += 1;
}

/// A process has given back what it had.
pub fn ended() {
    let mut endings = ENDINGS.lock();
    endings.under_way -= 1;
    endings.done += 1;
    drop(endings);
    WAITING.wake_all();
}

fn is_enough() -> bool {
    let stats = frames().stats();
    stats.free + stats.reclaimable + reserve::count() >= ENOUGH
}

/// Called by a process that got no memory for a page it touched, with no lock held.
pub fn relieve(process: &Process) -> Relief {
    if commit::is_strict() {
        return await_cache(process);
    }
    if is_enough() {
        return Relief::Retry; // somebody else has been asking the caches
    }
    // Locked from the look at who is on the way out until somebody is chosen: a process gives
    // nothing back before it has said so.
    let mut endings = ENDINGS.lock();
    let done = endings.done;
    if is_enough() {
        return Relief::Retry; // whoever was chosen for another has given all back since
    }
    if endings.under_way == 0 {
        let victim = TABLE.lock().victim(Process::footprint).cloned();
        let Some(victim) = victim else {
            drop(endings);
            return out_of_victims(process);
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
    while endings.done == done {
        endings = match WAITING.wait(endings) {
            Ok(guard) => guard,
            Err(_) => return Relief::Die,
        };
    }
    Relief::Retry
}

/// Whether a page that somebody touched in a system call is there all the same, and worth another try
/// after a while.
pub fn is_promised(process: &Process) -> bool {
    commit::is_strict() && await_cache(process) == Relief::Retry
}

/// The page was promised, so it is there: a cache has it and was in use when it was asked.
fn await_cache(process: &Process) -> Relief {
    for _ in 0..LONG {
        wait_a_tick();
        let stats = frames().stats();
        if process.is_killed() {
            return Relief::Die;
        }
        if stats.free + stats.reclaimable + reserve::count() > 0 {
            return Relief::Retry;
        }
    }
    let (pid, name) = (process.pid, process.name());
    println!("pid {pid} {name}: waits for a page that it was promised");
    Relief::Retry
}

fn wait_a_tick() {
    let tick = timer::frequency() / abi::TICKS_PER_SECOND;
    let _ = sched::sleep_until(timer::now() + PATIENCE * tick);
}

/// Nobody has a page but `init`, and it is not for `init` to die: the kernel would panic.
fn out_of_victims(process: &Process) -> Relief {
    if process.pid != INIT {
        return Relief::Die;
    }
    wait_a_tick();
    Relief::Retry
}
