//! One thread: a kernel stack, saved registers, a state, and the address space to run with.

use super::Awaited;
use crate::arch::fpu::FloatRegisters;
use crate::arch::held_locks::HeldLocks;
use crate::arch::switch::Context;
use crate::arch::trap::{TrapFrame, trap_frame_at};
use crate::arch::{csr, hart, layout, timer, unwind};
use crate::mm::{KernelStack, asid};
use core::ops::Deref;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use fallible::{AllocError, KArc};
use threads::{Link, Queue, Queued, RunState, State};

/// Sleeping locks of a thread that are recorded, in checked builds.
const LOCKS: usize = if cfg!(debug_assertions) { 8 } else { 0 };

/// The queues of threads that wait.
pub(super) struct Waiting;
/// Those of threads that want to run.
pub(super) struct Runnable;
/// A queue of threads that wait for something.
pub(super) type WaitingThreads = Queue<Thread, Waiting>;
/// A queue of threads that want to run.
pub(super) type RunnableThreads = Queue<Thread, Runnable>;

/// How a thread begins.
pub struct Start<'a> {
    /// Called first, in the kernel; when it returns the thread goes to user mode.
    pub entry: extern "C" fn(usize),
    /// Its argument.
    pub argument: usize,
    /// The registers in user mode. Where these say that floating point registers are in use, they are
    /// those of the running thread.
    pub frame: &'a TrapFrame,
}

/// What threads run for.
///
/// # Safety
/// One type is, and no other: who asks a hart for the owner of its thread takes it for one. The space that it
/// gives stays where it is until the thread has ended or has changed to another.
pub unsafe trait Owner: Send + Sync + Sized {
    /// The address space that the thread begins in; null for the kernel's own.
    fn space(&self) -> *const asid::Context;
    /// The thread has ended, and nobody is on its stack any more. Interrupts are off.
    fn ended(owner: KArc<Self>);
}

/// Calls [`Owner::ended`].
///
/// # Safety
/// The pointer came from `KArc::into_raw`, and its count passes to this function.
unsafe fn ended<T: Owner>(owner: *const ()) {
    // SAFETY: the caller's promise.
    T::ended(unsafe { KArc::from_raw(owner.cast()) });
}

/// A thread.
///
/// It lives in a [`KArc`]; its owner, the queue it is in and the hart it runs on each hold one.
pub struct Thread {
    run: RunState,
    /// What it waits for, by the queue's name and address, and since when.
    awaited: AtomicU8,
    awaited_in: AtomicUsize,
    since: AtomicU64,
    /// Sleeping locks that it holds, in checked builds.
    held_locks: HeldLocks<LOCKS>,
    waiting: Link<Thread>,
    runnable: Link<Thread>,
    pub(super) last_hart: AtomicUsize,
    context: Context,
    floats: FloatRegisters,
    stack: KernelStack,
    /// The address space it runs in, which its owner has; null for the kernel's own.
    space: AtomicPtr<asid::Context>,
    /// When a sleeping thread wants to go on.
    pub(super) deadline: AtomicU64,
    /// What it runs for, with a count that is the thread's, and its [`Owner::ended`].
    owner: AtomicPtr<()>,
    ended: unsafe fn(*const ()),
}

// SAFETY: a field of the thread, for this role alone.
unsafe impl Queued<Waiting> for Thread {
    fn link(&self) -> &Link<Thread> {
        &self.waiting
    }
}

// SAFETY: a field of the thread, for this role alone.
unsafe impl Queued<Runnable> for Thread {
    fn link(&self) -> &Link<Thread> {
        &self.runnable
    }
}

impl Thread {
    /// A thread that begins when it is first switched to, and belongs to somebody before that.
    pub fn try_new<T: Owner>(start: &Start<'_>) -> Result<KArc<Thread>, AllocError> {
        let stack = KernelStack::try_new()?;
        let place = trap_frame_at(stack.top());
        let floats = FloatRegisters::new();
        // SAFETY: the stack is mapped and nobody uses it yet.
        unsafe { place.write(start.frame.clone()) };
        if start.frame.float_state() != 0 {
            // The hart's registers are the running thread's, whether or not they were saved before.
            let _irq = hart::irq_save();
            floats.save();
        }
        let context = Context::start(start.entry, start.argument, place as usize);
        KArc::try_new(Thread {
            run: RunState::new(),
            awaited: AtomicU8::new(0),
            awaited_in: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            held_locks: HeldLocks::new(),
            waiting: Link::new(),
            runnable: Link::new(),
            last_hart: AtomicUsize::new(hart::this().index()),
            context,
            floats,
            stack,
            space: AtomicPtr::new(core::ptr::null_mut()),
            deadline: AtomicU64::new(0),
            owner: AtomicPtr::new(core::ptr::null_mut()),
            ended: ended::<T>,
        })
    }

    /// Says what the thread runs for, before it runs.
    ///
    /// # Panics
    /// If that was said before.
    pub(super) fn set_owner<T: Owner>(&self, owner: KArc<T>) {
        let space = owner.space().cast_mut();
        let owner = KArc::into_raw(owner).cast_mut().cast();
        let before = self.owner.swap(owner, Ordering::Relaxed);
        assert!(before.is_null(), "started twice");
        self.space.store(space, Ordering::Relaxed);
    }

    /// What the thread runs for.
    #[inline]
    pub(super) fn owner(&self) -> *const () {
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
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The user registers, as of the last trap.
    #[inline]
    pub fn frame(&self) -> &TrapFrame {
        // SAFETY: the stack has the frame at its top from the beginning, and stays with the thread; all of
        // the frame are words, which all may look at.
        unsafe { &*trap_frame_at(self.stack.top()) }
    }

    /// Whether it runs, waits or has ended, and whether a hart is on its stack.
    pub(super) fn run(&self) -> &RunState {
        &self.run
    }

    /// True once it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.run.is_interrupted()
    }

    /// What it does at the moment, for lists.
    pub fn state(&self) -> State {
        self.run.state()
    }

    /// The thread is about to wait, for this, in the queue at this address.
    pub(super) fn begin_sleep(&self, interruptible: bool, awaited: Awaited, queue: usize) {
        self.awaited.store(awaited as u8, Ordering::Relaxed);
        self.awaited_in.store(queue, Ordering::Relaxed);
        self.since.store(timer::now(), Ordering::Relaxed);
        self.run.begin_sleep(interruptible);
    }

    /// What it waits for, if it waits: the name, the queue's address, since when.
    pub fn awaits(&self) -> Option<(&'static str, usize, u64)> {
        self.run.is_waiting().then(|| {
            (
                Awaited::name(self.awaited.load(Ordering::Relaxed)),
                self.awaited_in.load(Ordering::Relaxed),
                self.since.load(Ordering::Relaxed),
            )
        })
    }

    /// Sleeping locks that it holds; always none but in checked builds.
    pub fn held_locks(&self) -> &HeldLocks<LOCKS> {
        &self.held_locks
    }

    /// How it came to where it left its hart: the addresses returned to. Of a thread that runs
    /// meanwhile, anything.
    pub fn callers(&self) -> impl Iterator<Item = usize> + Clone {
        self.callers_from(self.context.frame_pointer())
    }

    /// The addresses returned to from the frame with this frame pointer on its stack.
    pub fn callers_from(&self, fp: usize) -> impl Iterator<Item = usize> + Clone {
        let top = self.stack.top();
        // SAFETY: the stack is mapped as long as the thread, which the result borrows.
        unsafe { unwind::callers(fp, top - layout::STACK_SIZE..top) }
    }

    /// The number of its last system call; of a thread that runs meanwhile, any number.
    pub fn syscall_number(&self) -> u64 {
        self.frame().syscall_number()
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
    /// A counted reference.
    pub fn to_arc(&self) -> KArc<Thread> {
        // SAFETY: the pointer came out of `KArc::into_raw`; the hart's own count stays.
        let hart_own = core::mem::ManuallyDrop::new(unsafe { KArc::from_raw(self.0) });
        KArc::clone(&hart_own)
    }

    /// Takes another address space into use; null for the kernel's own.
    ///
    /// # Safety
    /// As for [`Owner::space`].
    pub unsafe fn change_space(&self, space: *const asid::Context) {
        let _irq = hart::irq_save();
        self.space.store(space.cast_mut(), Ordering::Relaxed);
        self.enter_space(hart::this());
    }

    /// Turns the floating point unit on, with its registers zero.
    pub fn enable_floats(&self) {
        let _irq = hart::irq_save();
        self.floats.clear();
        self.floats.load();
        self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
    }

    /// Before another thread takes this hart's registers.
    pub(super) fn save_floats(&self) {
        if self.frame().float_state() == csr::SSTATUS_FS_DIRTY {
            self.floats.save();
            self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
        }
    }

    /// After this hart has taken the thread over.
    pub(super) fn load_floats(&self) {
        if self.frame().float_state() != 0 {
            self.floats.load();
        }
    }
}
