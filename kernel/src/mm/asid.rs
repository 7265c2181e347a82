//! Loading address spaces, and TLB shootdown, with the ASID rules of [`vm::asid`].
//!
//! A shootdown flushes this hart's TLB with `sfence.vma` if the space is active here, and through the firmware
//! (SBI's remote fences) those of other harts where it is active. A hart where the space was active before flushes
//! when it enters the space again. A space that is active on one hart only needs no remote fence.

use super::kernel_space;
use crate::arch::hart::{self, Hart, MAX_HARTS};
use crate::arch::{paging, sbi};
use frames::{FRAME_SIZE, Pfn};
use vm::Flush;
use vm::asid::{Asids, Entrance, Tag, Targets};

/// What a hart needs to load an address space.
pub struct Context {
    /// `satp` with ASID 0.
    satp: usize,
    tag: Tag,
}

impl Context {
    /// A context of a space with this root table, loaded by no hart yet.
    pub fn new(root: Pfn) -> Context {
        Context {
            satp: paging::satp(root.addr()),
            tag: Tag::new(),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        debug_assert!(!self.tag.is_active(), "a hart runs in a space that goes");
    }
}

static ASIDS: Asids<MAX_HARTS> = Asids::new();

/// Initializes the ASIDs, as many as the boot hart has.
pub fn init() {
    ASIDS.set_up(paging::highest_asid());
}

/// Limits the ASIDs to `limit`, or to none with 0; before any process runs.
pub fn set_limit(limit: usize) {
    let highest = usize::from(ASIDS.last());
    ASIDS.set_up(limit.min(highest) as u16);
}

/// Checks the ASIDs of a secondary hart.
///
/// # Panics
/// If it has fewer than the boot hart: two spaces would get the same ASID there.
pub fn check_hart() {
    let (here, all) = (paging::highest_asid(), ASIDS.last());
    assert!(here >= all, "this hart has {here} ASIDs, not {all}");
}

/// Loads a space on this hart; the kernel's own if `None`. Interrupts are disabled.
///
/// # Safety
/// The context and its page table live until the hart has loaded another.
pub unsafe fn enter(hart: &Hart, space: Option<&Context>) {
    let Some(space) = space else {
        return enter_kernel(hart);
    };
    let Entrance { asid, flush } = ASIDS.enter(hart.index(), &space.tag);
    load(hart, paging::with_asid(space.satp, asid), flush);
    let new: *const Context = space;
    if hart.space() != new.cast() {
        leave(hart, new);
    }
}

/// Loads the kernel's own space on this hart. Interrupts are disabled.
pub fn enter_kernel(hart: &Hart) {
    // It has ASID 0. The TLB has user translations under ASID 0 only if there are no other ASIDs.
    let flush = match ASIDS.last() {
        0 => Flush::All,
        _ => Flush::Nothing,
    };
    load(hart, kernel_space::satp(), flush);
    leave(hart, core::ptr::null());
}

/// Replaces the hart's active space by `new`; the old one is no longer active here.
fn leave(hart: &Hart, new: *const Context) {
    // SAFETY: only this function stores the pointer, always to a `Context`, which lives until here by the
    // contract of `enter`.
    let old = unsafe { hart.replace_space(new.cast()).cast::<Context>().as_ref() };
    if let Some(old) = old {
        old.tag.leave(hart.index());
    }
}

fn load(hart: &Hart, satp: usize, mut flush: Flush) {
    let generation = kernel_space::generation();
    if hart.kernel_map_generation.replace(generation) != generation {
        flush = Flush::All;
    }
    if hart.satp.replace(satp) == satp && flush == Flush::Nothing {
        return;
    }
    // SAFETY: a space's root table lives until the hart has left it, the kernel's for ever; both map the kernel
    // half; `flush` covers all stale entries.
    unsafe { paging::load(satp, flush) };
}

/// TLB shootdown: flushes stale entries of the space on all harts where it is active, and marks the other harts
/// that may have some, so that they flush before they use the space again.
#[inline(never)]
pub fn shoot_down(space: &Context, stale: Flush) {
    let _irq = hart::irq_save();
    let hart = hart::this();
    let Targets { here, others } = space.tag.shoot_down(hart.index());
    if here {
        flush_loaded(hart, stale);
    }
    if others != 0 {
        flush_others(others, stale);
    }
}

/// Flushes this hart's TLB if the space is active here.
pub fn flush_here(space: &Context, stale: Flush) {
    let _irq = hart::irq_save();
    let hart = hart::this();
    if core::ptr::eq(hart.space().cast(), space) {
        flush_loaded(hart, stale);
    }
}

#[inline(never)]
fn flush_loaded(hart: &Hart, stale: Flush) {
    paging::flush(paging::asid_of(hart.satp.get()), stale);
}

#[cold]
fn flush_others(harts: u16, stale: Flush) {
    let (start, size) = match stale {
        Flush::Page(address) => (address as usize, FRAME_SIZE),
        _ => (0, usize::MAX),
    };
    let concerned = |hart: &&Hart| harts >> hart.index() & 1 != 0;
    let mut ids = hart::all().iter().filter(concerned).map(Hart::id);
    sbi::remote_fence(&mut ids, start, size);
}
