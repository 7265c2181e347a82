//! Which address space a hart runs in, and what it forgets of them when.
//!
//! The rules are those of [`vm::asid`], which needs two things of the kernel: a process, and with it
//! its space, is on one hart at a time (see `sched/run.rs`); and only a process itself changes its
//! page table, in a call or a fault of its own. Whoever kills a process, collects it or wants its
//! memory asks and waits; the page cache gives back only pages that no table shows. So a space in use
//! on one hart is in use on no other, and the only fences that harts send each other are those for
//! kernel stacks, which are mapped in all spaces (`mm/kernel_space.rs`).
//!
//! A process may be preempted between a change of its table and the flush for it, and go on on
//! another hart. The flush then counts for the first one too, since that may remember something of
//! the space, and comes before the process is back in user mode.

use super::kernel_space;
use crate::arch::hart::{Hart, MAX_HARTS};
use crate::arch::paging;
use crate::sync::Once;
use core::sync::atomic::{AtomicUsize, Ordering};
use vm::Flush;
use vm::asid::{Asids, Entrance, Forget, Tag};

/// What it takes to run in an address space: its root table, and what harts may remember of it.
pub struct Handle {
    satp: AtomicUsize,
    tag: Tag,
}

impl Handle {
    /// The space with this value of `satp`, which has no number in it.
    pub fn new(satp: usize) -> Handle {
        Handle {
            satp: AtomicUsize::new(satp),
            tag: Tag::new(),
        }
    }

    /// Another space takes the place of this one, on the hart that runs in it.
    pub fn change(&self, satp: usize) {
        self.satp.store(satp, Ordering::Relaxed);
        self.tag.reset();
    }

    /// The hart changes the space's page table and flushes by itself; what others remember counts as
    /// stale.
    pub fn changed(&self, hart: &Hart) {
        self.tag.changed(hart.index());
    }
}

static ASIDS: Asids<MAX_HARTS> = Asids::new();
static KERNEL: Once<Handle> = Once::new();

/// Takes the numbers of the boot hart into use.
pub fn init() {
    ASIDS.set_up(paging::highest_number());
    KERNEL.set(Handle::new(kernel_space::satp()));
}

/// The kernel's own space.
pub fn kernel() -> &'static Handle {
    KERNEL.get()
}

/// Takes only numbers up to `limit` into use, and with 0 none; before any process runs.
pub fn set_limit(limit: usize) {
    let highest = usize::from(ASIDS.last());
    ASIDS.set_up(limit.min(highest) as u16);
}

/// A hart is about to begin.
///
/// # Panics
/// If it has fewer numbers than the boot hart: it would take spaces for each other.
pub fn check() {
    let (here, all) = (paging::highest_number(), ASIDS.last());
    assert!(here >= all, "this hart has {here} ASIDs, not {all}");
}

/// This hart goes on in a space. Interrupts are off.
pub fn enter(hart: &Hart, space: &Handle) {
    let satp = space.satp.load(Ordering::Relaxed);
    if satp == kernel_space::satp() {
        return enter_kernel(hart);
    }
    let Entrance { number, forget } = ASIDS.enter(hart.index(), &space.tag);
    load(hart, paging::with_number(satp, number), forget);
}

/// This hart goes on in the kernel's own space. Interrupts are off.
pub fn enter_kernel(hart: &Hart) {
    // It maps no user address and has number 0, under which there are translations of user addresses
    // only where there are no other numbers.
    let forget = match ASIDS.last() {
        0 => Forget::All,
        _ => Forget::Nothing,
    };
    load(hart, kernel_space::satp(), forget);
}

fn load(hart: &Hart, satp: usize, mut forget: Forget) {
    let mappings = kernel_space::mappings();
    if hart.heard_of.replace(mappings) != mappings {
        forget = Forget::All;
    }
    if hart.loaded.replace(satp) == satp && forget == Forget::Nothing {
        return;
    }
    // SAFETY: a process's root table lives until the process has left it, the kernel's for ever; both
    // map the kernel half; what must be forgotten is.
    unsafe { paging::load(satp, forget) };
}

/// Flushes what this hart remembers of the space that it runs in. Interrupts are off.
pub fn flush(hart: &Hart, range: Flush) {
    let number = paging::number_of(hart.loaded.get());
    match range {
        Flush::Page(address) => paging::flush_page(address as usize, number),
        Flush::All => paging::flush_space(number),
    }
}
