//! What each hart keeps for itself. In the kernel `tp` points at it; in user mode `sscratch` does.

use crate::arch::csr;
use crate::arch::held::Held;
use crate::arch::trap::TrapFrame;
use crate::arch::word::Word;
use abi::{EVENT_SLOTS, Event};
use core::arch::asm;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Spin locks that one hart holds at most. Only checked builds record them.
pub const LOCK_DEPTH: usize = if cfg!(debug_assertions) { 16 } else { 0 };

/// The spin locks that one hart holds.
pub type HeldLocks = Held<LOCK_DEPTH>;

/// Most harts that the kernel runs on.
pub const MAX_HARTS: usize = 8;

/// One hart's own data. All may look at it; words are changed by the hart itself with interrupts off, or before it
/// runs.
#[repr(C)]
pub struct Hart {
    kernel_sp: Word,
    user_sp: Word,
    boot_satp: Word,
    /// Position in [`HARTS`].
    index: usize,
    /// The firmware's number of the hart.
    id: AtomicUsize,
    current: AtomicPtr<()>,
    owner: AtomicPtr<()>,
    /// Spin locks held, and whether interrupts were on before the first.
    depth: Word,
    were_on: Word,
    /// Spin locks held, in checked builds.
    pub locks: HeldLocks,
    /// The spin lock that the hart waits for.
    pub spins: Held<1>,
    /// When the clock last interrupted it.
    pub ticked: AtomicU64,
    /// What the interrupt that is handled at the moment interrupted.
    pub interrupted: Interrupted,
    /// Whether another hart has asked what this one does; see `debug/state.rs`.
    pub asked: AtomicU8,
    /// Set by the timer: the running process has had its share.
    pub expired: AtomicBool,
    /// What is in `satp`.
    pub loaded: Word,
    /// The address space that is active here, as whoever loads it has named it; null for the kernel's own.
    space: AtomicPtr<()>,
    /// True while the hart waits for an interrupt.
    pub idle: AtomicBool,
    /// By how much `instret` went on while the hart waited for a device or an interrupt.
    waited: AtomicU64,
    /// Mappings of the kernel half that this hart has heard of.
    pub heard_of: Word,
    /// How often what has happened here.
    events: [AtomicU64; Event::ALL.len()],
}

/// Offset of the kernel stack pointer to take on a trap from user mode.
pub const KERNEL_SP: usize = offset_of!(Hart, kernel_sp);
/// Offset of the place for the user's stack pointer while the trap entry works.
pub const USER_SP: usize = offset_of!(Hart, user_sp);
/// Offset of the firmware's number of the hart.
pub const HART_ID: usize = offset_of!(Hart, id);
const CURRENT: usize = offset_of!(Hart, current);
const OWNER: usize = offset_of!(Hart, owner);
/// Offset of the `satp` a hart starts with.
pub const BOOT_SATP: usize = offset_of!(Hart, boot_satp);

/// What an interrupt has interrupted.
pub struct Interrupted {
    /// The instruction.
    pub pc: Word,
    /// The frame pointer.
    pub frame_pointer: Word,
}

impl Interrupted {
    /// Notes it.
    pub fn set(&self, frame: &TrapFrame) {
        self.pc.set(frame.pc());
        self.frame_pointer.set(frame.frame_pointer());
    }
}

/// All harts; `tp` is an address in this array.
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
            kernel_sp: Word::new(0),
            user_sp: Word::new(0),
            boot_satp: Word::new(0),
            index: 0,
            id: AtomicUsize::new(0),
            current: AtomicPtr::new(ptr::null_mut()),
            owner: AtomicPtr::new(ptr::null_mut()),
            depth: Word::new(0),
            were_on: Word::new(0),
            locks: HeldLocks::new(),
            spins: Held::new(),
            ticked: AtomicU64::new(0),
            interrupted: Interrupted {
                pc: Word::new(0),
                frame_pointer: Word::new(0),
            },
            asked: AtomicU8::new(0),
            expired: AtomicBool::new(false),
            loaded: Word::new(0),
            space: AtomicPtr::new(ptr::null_mut()),
            idle: AtomicBool::new(false),
            waited: AtomicU64::new(0),
            heard_of: Word::new(0),
            events: [const { AtomicU64::new(0) }; Event::ALL.len()],
        }
    }

    /// Position in [`HARTS`], from 0.
    #[inline(always)]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The firmware's number of this hart.
    pub fn id(&self) -> usize {
        self.id.load(Ordering::Relaxed)
    }

    /// Names the hart before it starts.
    pub fn set_id(&self, id: usize) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// What a hart that is not started yet begins with.
    pub(super) fn prepare_start(&self, satp: usize, stack_top: usize) {
        self.boot_satp.set(satp);
        self.kernel_sp.set(stack_top);
    }

    /// What runs here, as whoever switches has named it; null when idle.
    #[inline(always)]
    pub fn current(&self) -> *const () {
        self.current.load(Ordering::Relaxed)
    }

    /// What that runs for, as it has been named with it.
    #[inline(always)]
    pub fn owner(&self) -> *const () {
        self.owner.load(Ordering::Relaxed)
    }

    /// Says what runs here, for what, and on which stack.
    ///
    /// # Safety
    /// Whoever asks for the first two may use them as what the caller takes them for. The stack is mapped,
    /// nobody else's, and empty while a program runs. All this as long as nothing else is said.
    #[inline(always)]
    pub unsafe fn set_running(&self, current: *const (), owner: *const (), stack_top: usize) {
        self.kernel_sp.set(stack_top);
        self.current.store(current.cast_mut(), Ordering::Relaxed);
        self.owner.store(owner.cast_mut(), Ordering::Relaxed);
    }

    /// Says that nothing runs here.
    pub fn set_idle(&self) {
        self.current.store(ptr::null_mut(), Ordering::Relaxed);
        self.owner.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The address space that is active here, as whoever loads it has named it; null for the kernel's own.
    pub fn space(&self) -> *const () {
        self.space.load(Ordering::Relaxed)
    }

    /// Names another, and gives the one before.
    ///
    /// # Safety
    /// Whoever is given it may use it as what the caller takes it for.
    pub unsafe fn replace_space(&self, space: *const ()) -> *const () {
        let before = self.space();
        self.space.store(space.cast_mut(), Ordering::Relaxed);
        before
    }

    /// Spin locks held here.
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    /// Carries the interrupt state over a switch of context: what was on belongs to the context.
    pub fn were_on(&self) -> bool {
        self.were_on.get() != 0
    }

    /// See [`Hart::were_on`].
    pub fn set_were_on(&self, on: bool) {
        self.were_on.set(on.into());
    }
}

/// The hart that runs this code. The answer stays true only while interrupts are off.
#[inline(always)]
pub fn this() -> &'static Hart {
    let hart: *const Hart;
    // SAFETY: `tp` holds the address of this hart's entry of `HARTS` from the first Rust code on;
    // the trap entry sees to it that user code cannot change the kernel's `tp`.
    unsafe {
        asm!("mv {}, tp", out(reg) hart, options(nomem, nostack, preserves_flags));
        &*hart
    }
}

/// Reads a word of this hart's own. One instruction does, so that no interrupt can come between finding the
/// hart and asking it: whoever runs always finds itself.
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

/// Counts an event, on the hart that this code runs on or, after a move just now, on the one before.
#[inline(always)]
pub fn note(event: Event) {
    this().events[event as usize].fetch_add(1, Ordering::Relaxed);
}

/// How often an event has happened, on all harts together.
pub fn noted(event: Event) -> u64 {
    let each = all().iter().map(|hart| &hart.events[event as usize]);
    each.map(|count| count.load(Ordering::Relaxed)).sum()
}

/// Waits for something outside of the hart; interrupts are off.
#[inline(always)]
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let before = csr::instret::read();
    let result = wait();
    let waited = csr::instret::read().wrapping_sub(before);
    this().waited.fetch_add(waited as u64, Ordering::Relaxed);
    result
}

/// By how much `instret` went on meanwhile, on all harts together.
pub fn waited() -> u64 {
    let each = all().iter().map(|hart| hart.waited.load(Ordering::Relaxed));
    each.sum()
}

/// Harts that run.
pub fn count() -> usize {
    STARTED.load(Ordering::Acquire)
}

/// All running harts. Their order is that of their indices.
pub fn all() -> &'static [Hart] {
    HARTS.get(..count()).unwrap_or(&HARTS)
}

/// Counts one more running hart.
pub fn add_started() {
    STARTED.fetch_add(1, Ordering::AcqRel);
}

/// Interrupts are off on this hart while one of these lives; they nest.
pub struct InterruptsOff(PhantomData<*const ()>);

/// Turns interrupts off until the guard goes.
#[inline(always)]
pub fn off() -> InterruptsOff {
    enter();
    InterruptsOff(PhantomData)
}

impl Drop for InterruptsOff {
    #[inline(always)]
    fn drop(&mut self) {
        leave();
    }
}

/// Turns interrupts off; each call is undone by one [`leave`].
#[inline(always)]
pub fn enter() {
    let on = csr::interrupts_off();
    let hart = this();
    let depth = hart.depth.get();
    if depth == 0 {
        hart.were_on.set(on.into());
    }
    hart.depth.set(depth + 1);
}

/// Undoes one [`enter`]; the last turns interrupts on again if they were on.
#[inline(always)]
pub fn leave() {
    let hart = this();
    let depth = hart.depth.get() - 1;
    hart.depth.set(depth);
    if depth == 0 && hart.were_on() {
        csr::interrupts_on();
    }
}
