//! Per-hart data. `tp` points to it in the kernel, `sscratch` in user mode.

use crate::arch::csr;
use crate::arch::held_locks::HeldLocks;
use crate::arch::relaxed::RelaxedUsize;
use crate::arch::trap::TrapFrame;
use abi::{EVENT_SLOTS, Event};
use core::arch::asm;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Most spin locks that a hart holds at once. Only checked builds record them.
pub const LOCK_DEPTH: usize = if cfg!(debug_assertions) { 16 } else { 0 };

/// The spin locks that a hart holds.
pub type HeldSpinLocks = HeldLocks<LOCK_DEPTH>;

/// Most harts that the kernel uses.
pub const MAX_HARTS: usize = 8;

/// Data of one hart. Other harts may read it. A [`RelaxedUsize`] is written by the hart itself with interrupts
/// disabled, or before the hart starts.
#[repr(C)]
pub struct Hart {
    kernel_sp: RelaxedUsize,
    user_sp: RelaxedUsize,
    boot_satp: RelaxedUsize,
    /// Index in [`HARTS`].
    index: usize,
    /// Hart ID.
    id: AtomicUsize,
    current: AtomicPtr<()>,
    owner: AtomicPtr<()>,
    /// Depth of [`push_off`] nesting.
    noff: RelaxedUsize,
    /// Whether interrupts were enabled before the first [`push_off`].
    intena: RelaxedUsize,
    /// Spin locks held; recorded in checked builds only.
    pub held_locks: HeldSpinLocks,
    /// The spin lock that the hart spins on.
    pub spinning_on: HeldLocks<1>,
    /// Time of its last timer interrupt.
    pub last_tick: AtomicU64,
    /// Where the last interrupt came from.
    pub interrupted: Interrupted,
    /// State of a request to print what this hart does; see `inspect/state.rs`.
    pub report_request: AtomicU8,
    /// The running thread has used up its time slice and must yield.
    pub need_resched: AtomicBool,
    /// Contents of `satp`.
    pub satp: RelaxedUsize,
    /// The active address space, a pointer that is opaque here; null for the kernel's own.
    space: AtomicPtr<()>,
    /// True while the hart waits for an interrupt.
    pub idle: AtomicBool,
    /// Advance of `instret` while the hart waited for a device or an interrupt.
    wait_instructions: AtomicU64,
    /// The generation of the kernel's mappings at this hart's last full TLB flush.
    pub kernel_map_generation: RelaxedUsize,
    /// Event counts of this hart, by event number.
    events: [AtomicU64; Event::ALL.len()],
}

/// Offset of the kernel stack pointer that a trap from user mode loads.
pub const KERNEL_SP: usize = offset_of!(Hart, kernel_sp);
/// Offset of the trap entry's scratch slot for the user stack pointer.
pub const USER_SP: usize = offset_of!(Hart, user_sp);
/// Offset of the hart ID.
pub const HART_ID: usize = offset_of!(Hart, id);
const CURRENT: usize = offset_of!(Hart, current);
const OWNER: usize = offset_of!(Hart, owner);
/// Offset of the initial `satp` of a secondary hart.
pub const BOOT_SATP: usize = offset_of!(Hart, boot_satp);

/// Where an interrupt came from.
pub struct Interrupted {
    /// Program counter.
    pub pc: RelaxedUsize,
    /// Frame pointer.
    pub frame_pointer: RelaxedUsize,
}

impl Interrupted {
    /// Records a trap frame.
    pub fn set(&self, frame: &TrapFrame) {
        self.pc.set(frame.pc());
        self.frame_pointer.set(frame.frame_pointer());
    }
}

/// All harts; `tp` points to an element.
pub static HARTS: [Hart; MAX_HARTS] = {
    let mut harts = [const { Hart::new() }; MAX_HARTS];
    let mut index = 0;
    while index < MAX_HARTS {
        harts[index].index = index;
        index += 1;
    }
    harts
};
static STARTED: AtomicUsize = AtomicUsize::new(1);

impl Hart {
    const fn new() -> Hart {
        Hart {
            kernel_sp: RelaxedUsize::new(0),
            user_sp: RelaxedUsize::new(0),
            boot_satp: RelaxedUsize::new(0),
            index: 0,
            id: AtomicUsize::new(0),
            current: AtomicPtr::new(ptr::null_mut()),
            owner: AtomicPtr::new(ptr::null_mut()),
            noff: RelaxedUsize::new(0),
            intena: RelaxedUsize::new(0),
            held_locks: HeldSpinLocks::new(),
            spinning_on: HeldLocks::new(),
            last_tick: AtomicU64::new(0),
            interrupted: Interrupted {
                pc: RelaxedUsize::new(0),
                frame_pointer: RelaxedUsize::new(0),
            },
            report_request: AtomicU8::new(0),
            need_resched: AtomicBool::new(false),
            satp: RelaxedUsize::new(0),
            space: AtomicPtr::new(ptr::null_mut()),
            idle: AtomicBool::new(false),
            wait_instructions: AtomicU64::new(0),
            kernel_map_generation: RelaxedUsize::new(0),
            events: [const { AtomicU64::new(0) }; Event::ALL.len()],
        }
    }

    /// Index in [`HARTS`], from 0.
    #[inline(always)]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Hart ID.
    pub fn id(&self) -> usize {
        self.id.load(Ordering::Relaxed)
    }

    /// Sets the hart ID, before the hart starts.
    pub fn set_id(&self, id: usize) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// Sets the initial `satp` and stack of a hart that has not started.
    pub(super) fn prepare_start(&self, satp: usize, stack_top: usize) {
        self.boot_satp.set(satp);
        self.kernel_sp.set(stack_top);
    }

    /// The running thread, a pointer that is opaque here; null when idle.
    #[inline(always)]
    pub fn current(&self) -> *const () {
        self.current.load(Ordering::Relaxed)
    }

    /// The owner of the running thread, a pointer that is opaque here; null when idle.
    #[inline(always)]
    pub fn owner(&self) -> *const () {
        self.owner.load(Ordering::Relaxed)
    }

    /// Sets the running thread, its owner, and the top of its kernel stack.
    ///
    /// # Safety
    /// Until the next call of this or of [`Hart::set_idle`]: both pointers stay valid, with the types that the
    /// users of [`current`] and [`owner`] expect; the stack is mapped, nobody else uses it, and it is empty
    /// while the hart is in user mode.
    #[inline(always)]
    pub unsafe fn set_running(&self, current: *const (), owner: *const (), stack_top: usize) {
        self.kernel_sp.set(stack_top);
        self.current.store(current.cast_mut(), Ordering::Relaxed);
        self.owner.store(owner.cast_mut(), Ordering::Relaxed);
    }

    /// Records that the hart runs no thread.
    pub fn set_idle(&self) {
        self.current.store(ptr::null_mut(), Ordering::Relaxed);
        self.owner.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The active address space, a pointer that is opaque here; null for the kernel's own.
    pub fn space(&self) -> *const () {
        self.space.load(Ordering::Relaxed)
    }

    /// Sets the active address space; returns the one before.
    ///
    /// # Safety
    /// The pointer has the type that the users of [`Hart::space`] expect, and is valid until it is replaced.
    pub unsafe fn replace_space(&self, space: *const ()) -> *const () {
        let before = self.space();
        self.space.store(space.cast_mut(), Ordering::Relaxed);
        before
    }

    /// Depth of [`push_off`] nesting: the number of spin locks and [`IrqGuard`]s held.
    pub fn noff(&self) -> usize {
        self.noff.get()
    }

    /// Whether the outermost [`pop_off`] enables interrupts. This belongs to the running context, which saves
    /// it over a context switch.
    pub fn intena(&self) -> bool {
        self.intena.get() != 0
    }

    /// Restores [`Hart::intena`] after a context switch.
    pub fn set_intena(&self, on: bool) {
        self.intena.set(on.into());
    }
}

/// The hart that runs this code. Valid only while interrupts are disabled: a preempted thread can move to
/// another hart.
#[inline(always)]
pub fn this() -> &'static Hart {
    let hart: *const Hart;
    // SAFETY: `tp` holds the address of this hart's element of `HARTS` from the first Rust code on;
    // the trap entry restores it on every trap from user mode.
    unsafe {
        asm!("mv {}, tp", out(reg) hart, options(nomem, nostack, preserves_flags));
        &*hart
    }
}

/// Reads a field of this hart's [`Hart`] in one instruction, so that the thread cannot move to another hart
/// between finding the hart and reading the field.
#[inline(always)]
fn read<const OFFSET: usize>() -> usize {
    let value: usize;
    // SAFETY: `tp` points at this hart's `Hart`, see `this`.
    unsafe {
        asm!("ld {}, {offset}(tp)", out(reg) value, offset = const OFFSET,
             options(readonly, nostack, preserves_flags));
    }
    value
}

/// [`Hart::current`] of this hart.
#[inline(always)]
pub fn current() -> *const () {
    ptr::with_exposed_provenance(read::<CURRENT>())
}

/// [`Hart::owner`] of this hart.
#[inline(always)]
pub fn owner() -> *const () {
    ptr::with_exposed_provenance(read::<OWNER>())
}

const _: () = assert!(Event::ALL.len() <= EVENT_SLOTS);

/// Counts an event. A thread that is preempted here may count it on the hart it came from.
#[inline(always)]
pub fn note(event: Event) {
    this().events[event as usize].fetch_add(1, Ordering::Relaxed);
}

/// The count of an event, summed over all harts.
pub fn event_count(event: Event) -> u64 {
    let each = all().iter().map(|hart| &hart.events[event as usize]);
    each.map(|count| count.load(Ordering::Relaxed)).sum()
}

/// Calls `wait`, which waits for something outside the hart, and adds the advance of `instret` meanwhile to
/// [`wait_instructions`]. Interrupts are disabled.
#[inline(always)]
pub fn account_wait<T>(wait: impl FnOnce() -> T) -> T {
    let before = csr::instret::read();
    let result = wait();
    let waited = csr::instret::read().wrapping_sub(before);
    this()
        .wait_instructions
        .fetch_add(waited as u64, Ordering::Relaxed);
    result
}

/// Advance of `instret` in [`account_wait`], summed over all harts.
pub fn wait_instructions() -> u64 {
    let each = all()
        .iter()
        .map(|hart| hart.wait_instructions.load(Ordering::Relaxed));
    each.sum()
}

/// Number of online harts.
pub fn count() -> usize {
    STARTED.load(Ordering::Acquire)
}

/// All online harts, by index.
pub fn all() -> &'static [Hart] {
    HARTS.get(..count()).unwrap_or(&HARTS)
}

/// Records that the next hart is online.
pub fn add_started() {
    STARTED.fetch_add(1, Ordering::AcqRel);
}

/// Keeps interrupts disabled on this hart; see [`irq_save`].
pub struct IrqGuard(PhantomData<*const ()>);

/// Disables interrupts; dropping the guard restores the previous state. Guards nest.
#[inline(always)]
pub fn irq_save() -> IrqGuard {
    push_off();
    IrqGuard(PhantomData)
}

impl Drop for IrqGuard {
    #[inline(always)]
    fn drop(&mut self) {
        pop_off();
    }
}

/// Disables interrupts, as xv6's `push_off`: calls nest, and each is matched by one [`pop_off`].
#[inline(always)]
pub fn push_off() {
    let on = csr::irq_disable();
    let hart = this();
    let noff = hart.noff.get();
    if noff == 0 {
        hart.intena.set(on.into());
    }
    hart.noff.set(noff + 1);
}

/// Undoes one [`push_off`]; the outermost enables interrupts again if they were enabled before.
#[inline(always)]
pub fn pop_off() {
    let hart = this();
    let noff = hart.noff.get() - 1;
    hart.noff.set(noff);
    if noff == 0 && hart.intena() {
        csr::irq_enable();
    }
}
