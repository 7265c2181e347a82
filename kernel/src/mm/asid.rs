//! Which address space a hart runs in, and when TLBs are flushed. The rules are those of [`vm::asid`].
//!
//! A shootdown flushes this hart's TLB with `sfence.vma` if the space is active here, and those of the other
//! harts where it is active through the firmware (SBI's remote fences). Where it was and is not active, the
//! hart flushes when it enters the space again. A space that is active on no other hart costs no message.

use super::kernel_space;
use crate::arch::hart::{self, Hart, MAX_HARTS};
use crate::arch::{paging, sbi};
use frames::{FRAME_SIZE, Pfn};
use vm::Flush;
use vm::asid::{Asids, Concerned, Entrance, Tag};

/// What it takes to run in an address space.
pub struct Context {
    /// The root table, with no ASID.
    satp: usize,
    tag: Tag,
}

impl Context {
    /// That of a space with this root table, which no hart has run.
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

/// Takes the ASIDs of the boot hart into use.
pub fn init() {
    ASIDS.set_up(paging::highest_asid());
}

/// Takes only ASIDs up to `limit` into use, and with 0 none; before any process runs.
pub fn set_limit(limit: usize) {
    let highest = usize::from(ASIDS.last());
    ASIDS.set_up(limit.min(highest) as u16);
}

/// A hart is about to begin.
///
/// # Panics
/// If it has fewer ASIDs than the boot hart: it would take spaces for each other.
pub fn check() {
    let (here, all) = (paging::highest_asid(), ASIDS.last());
    assert!(here >= all, "this hart has {here} ASIDs, not {all}");
}

/// This hart goes on in a space; in the kernel's own, where there is none. Interrupts are off.
///
/// # Safety
/// The space, and its page table, stay until the hart has entered another.
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

/// This hart goes on in the kernel's own space. Interrupts are off.
pub fn enter_kernel(hart: &Hart) {
    // It maps no user address and has ASID 0, under which there are translations of user addresses
    // only where there are no other ASIDs.
    let flush = match ASIDS.last() {
        0 => Flush::All,
        _ => Flush::Nothing,
    };
    load(hart, kernel_space::satp(), flush);
    leave(hart, core::ptr::null());
}

/// The hart does not use the table of the space any more that it was in: `new` is active here now.
fn leave(hart: &Hart, new: *const Context) {
    // SAFETY: here it is taken for a `Context` again, and `enter` was promised that it stays until then.
    let old = unsafe { hart.replace_space(new.cast()).cast::<Context>().as_ref() };
    if let Some(old) = old {
        old.tag.leave(hart.index());
    }
}

fn load(hart: &Hart, satp: usize, mut flush: Flush) {
    let mappings = kernel_space::mappings();
    if hart.kernel_map_generation.replace(mappings) != mappings {
        flush = Flush::All;
    }
    if hart.satp.replace(satp) == satp && flush == Flush::Nothing {
        return;
    }
    // SAFETY: a space's root table lives until the hart has left it, the kernel's for ever; both
    // map the kernel half; what is stale is flushed.
    unsafe { paging::load(satp, flush) };
}

/// Flushes every TLB of what its page table does not have any more, or sees to it that this comes before
/// the hart uses it.
#[inline(never)]
pub fn shoot_down(space: &Context, stale: Flush) {
    let _irq = hart::irq_save();
    let hart = hart::this();
    let Concerned { here, others } = space.tag.shoot_down(hart.index());
    if here {
        flush_loaded(hart, stale);
    }
    if others != 0 {
        flush_others(others, stale);
    }
}

/// Flushes this hart's TLB, if it runs in the space.
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
