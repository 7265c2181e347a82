//! The policy for the end of memory, when the caches have given back what they had.
//!
//! In a system call the call fails. A page fault of a program cannot fail, so a process dies: the
//! one with the most pages, of its own and of the kernel's on its behalf (page tables, records of
//! regions, open files, pipes), the youngest of several, never `init`. Where that is not the
//! one that faults, that one waits until the other is gone and tries again, so that a process that
//! takes all memory dies alone. While some process is on its way out, nobody is chosen: its memory
//! is waited for.

use super::{Process, TABLE};
use crate::mm::ram::frames;
use crate::println;
use crate::sync::{SpinLock, WaitQueue, rank};
use kmalloc::KArc;

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
static WAITING: WaitQueue = WaitQueue::new();

/// With this many free pages whatever failed is worth another try.
const ENOUGH: usize = 16;

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

/// Called by a process that got no memory for a page it touched, with no lock held.
pub fn relieve(process: &Process) -> Relief {
    let stats = frames().stats();
    if stats.free + stats.reclaimable >= ENOUGH {
        return Relief::Retry; // somebody else has been asking the caches, or memory has come back
    }
    // Locked from the look at who is on the way out until somebody is chosen: a process gives
    // nothing back before it has said so.
    let mut endings = ENDINGS.lock();
    let done = endings.done;
    if endings.under_way == 0 {
        let Some(victim) = largest() else {
            return Relief::Die;
        };
        let own = core::ptr::eq(KArc::as_ptr(&victim), process);
        if !victim.is_killed() {
            let (pid, name) = (victim.pid, victim.name());
            let pages = victim.footprint();
            println!("pid {pid} {name}: out of memory, killed with {pages} pages");
        }
        Process::kill(&victim);
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

/// The process with the most pages.
fn largest() -> Option<KArc<Process>> {
    let table = TABLE.lock();
    let mut found: Option<(i32, usize)> = None;
    table.for_each(|process, _| {
        let pages = process.footprint();
        if pages > 0 && process.pid != 1 && found.is_none_or(|(_, most)| pages >= most) {
            found = Some((process.pid, pages));
        }
    });
    table.get(found?.0).cloned()
}
