//! One thread: a kernel stack, saved registers, a state, and the address space to run with.

use super::Awaited;
use super::queue::{Kind, Queue, QueueLink, Queued};
use crate::arch::fpu::FloatRegisters;
use crate::arch::held::Held;
use crate::arch::switch::Context;
use crate::arch::trap::{TrapFrame, frame_at, own_frame};
use crate::arch::{csr, hart, layout, timer, unwind};
use crate::mm::{KernelStack, asid};
use core::cell::UnsafeCell;
use core::ops::{Deref, Range};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use fallible::{AllocError, KArc};

/// Sleeping locks of a thread that are recorded, in checked builds.
const LOCKS: usize = if cfg!(debug_assertions) { 8 } else { 0 };

const RUNNABLE: u8 = 0;
const INTERRUPTIBLE: u8 = 1;
const UNINTERRUPTIBLE: u8 = 2;
const ENDED: u8 = 3;

/// No hart is on the thread's stack.
const AWAY: u8 = 0;
/// A hart is.
const THERE: u8 = 1;
/// A hart is, and queues the thread as soon as it has left.
const COMES_BACK: u8 = 2;
/// A hart is, for the last time.
const LEAVES: u8 = 3;

/// What a thread does, for lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is on a hart.
    Running,
    /// It wants to be.
    Runnable,
    /// It waits, and being interrupted ends that.
    Interruptible,
    /// It waits for something that surely comes.
    Uninterruptible,
    /// It has ended.
    Ended,
}

/// What is to become of a thread whose stack a hart has just left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: who wakes it queues it.
    Sleeps,
    /// It goes to a queue of runnable ones.
    ComesBack,
    /// It has ended.
    Ended,
}

/// How a thread begins.
pub struct Start<'a> {
    /// Called first, in the kernel; when it returns the thread goes to user mode.
    pub entry: extern "C" fn(usize),
    /// Its argument.
    pub argument: usize,
    /// The registers in user mode. Where these say that floating point registers are in use, they are
    /// those of the running thread.
    pub frame: &'a TrapFrame,
    /// Called with the owner when nobody is on the thread's stack any more, and that for good.
    pub ended: unsafe fn(*const ()),
}

/// A thread.
///
/// It lives in a [`KArc`]; its owner, the queue it is in and the hart it runs on each hold one.
pub struct Thread {
    state: AtomicU8,
    /// Whether it is to leave the kernel, and wait for nothing on the way that may never come.
    interrupted: AtomicBool,
    presence: AtomicU8,
    /// What it waits for, by the queue's name and address, and since when.
    awaited: AtomicU8,
    awaited_in: AtomicUsize,
    since: AtomicU64,
    /// Sleeping locks that it holds, in checked builds.
    held_locks: Held<LOCKS>,
    waiting: QueueLink<Thread>,
    runnable: QueueLink<Thread>,
    pub(super) last_hart: AtomicUsize,
    context: UnsafeCell<Context>,
    floats: UnsafeCell<FloatRegisters>,
    stack: KernelStack,
    /// The address space it runs in, which its owner has; null for the kernel's own.
    space: AtomicPtr<asid::Context>,
    /// When a sleeping thread wants to go on.
    pub(super) deadline: AtomicU64,
    /// What it runs for; nothing that this folder knows.
    owner: AtomicPtr<()>,
    ended: unsafe fn(*const ()),
}

// SAFETY: `context` and `floats` are used only by the hart that runs the thread or, while none does, by
// the one that switches to it; `presence` hands them over.
unsafe impl Sync for Thread {}

/// A queue of threads.
pub type ThreadQueue = Queue<Thread>;

// SAFETY: the links are fields of the thread.
unsafe impl Queued for Thread {
    fn link(&self, kind: Kind) -> &QueueLink<Thread> {
        match kind {
            Kind::Waiting(_) => &self.waiting,
            Kind::Runnable => &self.runnable,
        }
    }
}

impl Thread {
    /// A thread that begins when it is first switched to, and belongs to somebody before that.
    pub fn try_new(start: &Start<'_>) -> Result<KArc<Thread>, AllocError> {
        let stack = KernelStack::try_new()?;
        let place = frame_at(stack.top());
        let mut floats = FloatRegisters::new();
        // SAFETY: the stack is mapped and nobody uses it yet.
        unsafe { core::ptr::copy_nonoverlapping(start.frame, place, 1) };
        if start.frame.float_state() != 0 {
            // The hart's registers are the running thread's, whether or not they were saved before.
            let _off = hart::off();
            floats.save();
        }
        let context = Context::start(start.entry, start.argument, place as usize);
        KArc::try_new(Thread {
            state: AtomicU8::new(RUNNABLE),
            interrupted: AtomicBool::new(false),
            presence: AtomicU8::new(AWAY),
            awaited: AtomicU8::new(0),
            awaited_in: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            held_locks: Held::new(),
            waiting: QueueLink::new(),
            runnable: QueueLink::new(),
            last_hart: AtomicUsize::new(hart::this().index()),
            context: UnsafeCell::new(context),
            floats: UnsafeCell::new(floats),
            stack,
            space: AtomicPtr::new(core::ptr::null_mut()),
            deadline: AtomicU64::new(0),
            owner: AtomicPtr::new(core::ptr::null_mut()),
            ended: start.ended,
        })
    }

    /// Says what the thread runs for and in which address space, before it runs; null for the kernel's own.
    ///
    /// # Safety
    /// Both stay where they are until `Start::ended` was called, which takes such an owner; the space only
    /// until the thread has changed to another.
    pub unsafe fn set_owner<T>(&self, owner: *const T, space: *const asid::Context) {
        self.owner.store(owner.cast_mut().cast(), Ordering::Relaxed);
        self.space.store(space.cast_mut(), Ordering::Relaxed);
    }

    /// What the thread runs for.
    #[inline]
    pub fn owner(&self) -> *const () {
        self.owner.load(Ordering::Relaxed)
    }

    /// What is to be called, and with what, when it has ended.
    pub(super) fn ended(&self) -> (unsafe fn(*const ()), *const ()) {
        (self.ended, self.owner())
    }

    /// This hart goes on in the thread's address space. Interrupts are off, and the thread runs here next.
    #[inline]
    pub(super) fn enter_space(&self, hart: &hart::Hart) {
        // SAFETY: the owner has the space until the thread has ended or has changed to another, and the hart
        // enters another space before either.
        unsafe { asid::enter(hart, self.space.load(Ordering::Relaxed).as_ref()) };
    }

    /// Top of the kernel stack.
    pub(super) fn stack_top(&self) -> usize {
        self.stack.top()
    }

    /// Where the registers are while the thread does not run.
    pub(super) fn context(&self) -> *mut Context {
        self.context.get()
    }

    /// True once it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Interrupts it; true if it has to be woken for that.
    pub(super) fn set_interrupted(&self) -> bool {
        self.interrupted.store(true, Ordering::SeqCst);
        self.state.load(Ordering::SeqCst) == INTERRUPTIBLE
    }

    /// The thread is about to wait, for this, in the queue at this address.
    pub(super) fn begin_sleep(&self, interruptible: bool, awaited: Awaited, queue: usize) {
        self.awaited.store(awaited as u8, Ordering::Relaxed);
        self.awaited_in.store(queue, Ordering::Relaxed);
        self.since.store(timer::now(), Ordering::Relaxed);
        let state = if interruptible {
            INTERRUPTIBLE
        } else {
            UNINTERRUPTIBLE
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// The waiting thread becomes runnable, or does not wait after all; false if somebody has woken it
    /// already.
    pub(super) fn end_sleep(&self) -> bool {
        let awake = |state| matches!(state, INTERRUPTIBLE | UNINTERRUPTIBLE).then_some(RUNNABLE);
        self.state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, awake)
            .is_ok()
    }

    /// What it does at the moment, for lists.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            RUNNABLE if self.presence.load(Ordering::Relaxed) != AWAY => State::Running,
            RUNNABLE => State::Runnable,
            INTERRUPTIBLE => State::Interruptible,
            UNINTERRUPTIBLE => State::Uninterruptible,
            _ => State::Ended,
        }
    }

    /// This hart takes the thread's stack and registers.
    pub(super) fn arrive(&self) {
        self.presence.store(THERE, Ordering::Relaxed);
    }

    /// Gives up the thread's stack and registers, and tells what is to be done about the thread.
    pub(super) fn leave(&self) -> Left {
        match self.presence.swap(AWAY, Ordering::AcqRel) {
            COMES_BACK => Left::ComesBack,
            LEAVES => Left::Ended,
            _ => Left::Sleeps,
        }
    }

    /// Has the hart on the thread's stack queue it when that has left; false if none is there.
    pub(super) fn call_back(&self) -> bool {
        let there =
            self.presence
                .compare_exchange(THERE, COMES_BACK, Ordering::AcqRel, Ordering::Acquire);
        there.is_ok()
    }

    /// For the running thread, about to leave: true, once, if it is to come back at once.
    pub(super) fn was_called_back(&self) -> bool {
        let called = self.presence.load(Ordering::Acquire) == COMES_BACK;
        if called {
            // Nobody else changes it until the thread sleeps again.
            self.presence.store(THERE, Ordering::Relaxed);
        }
        called
    }

    /// What it waits for, if it waits: the name, the queue's address, since when.
    pub fn awaits(&self) -> Option<(&'static str, usize, u64)> {
        let state = self.state.load(Ordering::Relaxed);
        matches!(state, INTERRUPTIBLE | UNINTERRUPTIBLE).then(|| {
            (
                Awaited::name(self.awaited.load(Ordering::Relaxed)),
                self.awaited_in.load(Ordering::Relaxed),
                self.since.load(Ordering::Relaxed),
            )
        })
    }

    /// Sleeping locks that it holds; always none but in checked builds.
    pub fn held_locks(&self) -> &Held<LOCKS> {
        &self.held_locks
    }

    /// How it came to where it left its hart: the addresses returned to. Of a thread that runs
    /// meanwhile, anything.
    pub fn callers(&self) -> impl Iterator<Item = usize> + Clone {
        let fp = Context::frame_pointer(self.context.get());
        unwind::callers(fp, self.stack_range())
    }

    /// The addresses of its kernel stack.
    pub fn stack_range(&self) -> Range<usize> {
        let top = self.stack.top();
        top - layout::STACK_SIZE..top
    }

    /// The number of its last system call; of a thread that runs meanwhile, any number.
    pub fn call_number(&self) -> u64 {
        TrapFrame::call_number_of(frame_at(self.stack.top()))
    }

    /// True while the thread is in a queue of waiting ones.
    pub(super) fn is_queued_waiting(&self) -> bool {
        self.waiting.is_queued()
    }
}

/// The thread that runs this code.
pub struct Current(*const Thread);

impl Deref for Current {
    type Target = Thread;
    #[inline]
    fn deref(&self) -> &Thread {
        // SAFETY: the hart holds a reference to the thread it runs, so it lives as long as its own code
        // runs; `Current` is neither `Send` nor stored anywhere.
        unsafe { &*self.0 }
    }
}

/// The thread that runs this code.
///
/// # Panics
/// If it is the idle loop or boot code, which is an error in the kernel.
#[inline]
pub fn current() -> Current {
    let thread = hart::current();
    assert!(!thread.is_null(), "no thread here");
    Current(thread.cast())
}

/// The thread that runs this code, if any.
#[inline]
pub fn try_current() -> Option<Current> {
    let thread = hart::current();
    (!thread.is_null()).then_some(Current(thread.cast()))
}

impl Current {
    /// The user registers.
    #[inline]
    pub fn frame(&self) -> &TrapFrame {
        // SAFETY: a thread runs here, and lives as long as its own code runs; only it has references.
        unsafe { own_frame() }
    }

    /// A counted reference.
    pub fn to_arc(&self) -> KArc<Thread> {
        // SAFETY: the pointer came out of `KArc::into_raw`; the hart's own count stays.
        let hart_own = core::mem::ManuallyDrop::new(unsafe { KArc::from_raw(self.0) });
        KArc::clone(&hart_own)
    }

    /// The running thread has ended, and leaves its stack for the last time. Interrupts are off.
    pub(super) fn set_ended(&self) {
        self.state.store(ENDED, Ordering::SeqCst);
        self.presence.store(LEAVES, Ordering::Relaxed);
    }

    /// Takes another address space into use; null for the kernel's own.
    ///
    /// # Safety
    /// As for [`Thread::set_owner`].
    pub unsafe fn change_space(&self, space: *const asid::Context) {
        let _off = hart::off();
        self.space.store(space.cast_mut(), Ordering::Relaxed);
        self.enter_space(hart::this());
    }

    /// Turns the floating point unit on, with its registers zero.
    pub fn enable_floats(&self) {
        let _off = hart::off();
        // SAFETY: the thread runs here, so nobody else uses its place.
        unsafe {
            *self.floats.get() = FloatRegisters::new();
            (*self.floats.get()).load();
        }
        self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
    }

    /// Before another thread takes this hart's registers.
    pub(super) fn save_floats(&self) {
        if self.frame().float_state() == csr::SSTATUS_FS_DIRTY {
            // SAFETY: the thread runs here, so its registers are this hart's and the place is free.
            unsafe { (*self.floats.get()).save() };
            self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
        }
    }

    /// After this hart has taken the thread over.
    pub(super) fn load_floats(&self) {
        if self.frame().float_state() != 0 {
            // SAFETY: nobody else runs the thread.
            unsafe { (*self.floats.get()).load() };
        }
    }
}
