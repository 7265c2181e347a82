//! A thread: a kernel stack, saved registers, a state, and the address space to load.

use super::Wchan;
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

/// Most sleeping locks of a thread that are recorded, in checked builds.
const LOCKS: usize = if cfg!(debug_assertions) { 8 } else { 0 };

/// The role of a wait queue.
pub(super) struct Waiting;
/// The role of a run queue.
pub(super) struct Runnable;
/// The threads of a wait queue.
pub(super) type WaitingThreads = Queue<Thread, Waiting>;
/// The threads of a run queue.
pub(super) type RunnableThreads = Queue<Thread, Runnable>;

/// The start of a thread.
pub struct Start<'a> {
    /// Called first, in the kernel; when it returns the thread enters user mode.
    pub entry: extern "C" fn(usize),
    /// Its argument.
    pub argument: usize,
    /// The registers in user mode. If its floating point state is on, the floating point registers are copied
    /// from the running thread.
    pub frame: &'a TrapFrame,
}

/// The owner of threads: a process.
///
/// # Safety
/// Only one type implements it, since [`Hart::owner`](hart::Hart::owner) has no type. The context that `space`
/// returns is valid until the thread has exited or has switched to another one.
pub unsafe trait Owner: Send + Sync + Sized {
    /// The initial address space of the thread; null for the kernel's own.
    fn space(&self) -> *const asid::Context;
    /// The thread has exited, and no hart is on its stack. Interrupts are disabled.
    fn ended(owner: KArc<Self>);
}

/// Calls [`Owner::ended`].
///
/// # Safety
/// The pointer came from `KArc::into_raw`, and its reference passes to this function.
unsafe fn ended<T: Owner>(owner: *const ()) {
    // SAFETY: the caller's promise.
    T::ended(unsafe { KArc::from_raw(owner.cast()) });
}

/// Instead of it, for a thread that runs for nobody.
unsafe fn never(_: *const ()) {
    unreachable!("a thread of the kernel ended");
}

/// A thread.
///
/// Its owner, the queue it is in and the hart it runs on each hold a counted reference.
pub struct Thread {
    run: RunState,
    /// The wait channel, the address of the wait queue, and the start of the wait.
    wchan: AtomicU8,
    wait_queue: AtomicUsize,
    since: AtomicU64,
    /// Sleeping locks held; recorded in checked builds only.
    held_locks: HeldLocks<LOCKS>,
    waiting: Link<Thread>,
    runnable: Link<Thread>,
    pub(super) last_hart: AtomicUsize,
    context: Context,
    fpu: FloatRegisters,
    stack: KernelStack,
    /// The address space to load, which the owner keeps alive; null for the kernel's own.
    space: AtomicPtr<asid::Context>,
    /// Timeout of a sleep.
    pub(super) deadline: AtomicU64,
    /// The owner, a counted reference, and its [`Owner::ended`].
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
    /// A thread that does not run before [`start`](super::start).
    pub fn try_new<T: Owner>(start: &Start<'_>) -> Result<KArc<Thread>, AllocError> {
        Thread::new(start, ended::<T>)
    }

    /// A thread of the kernel, which does not end.
    pub(super) fn without_owner(start: &Start<'_>) -> Result<KArc<Thread>, AllocError> {
        Thread::new(start, never)
    }

    fn new(start: &Start<'_>, ended: unsafe fn(*const ())) -> Result<KArc<Thread>, AllocError> {
        let stack = KernelStack::try_new()?;
        let place = trap_frame_at(stack.top());
        let fpu = FloatRegisters::new();
        // SAFETY: the stack is mapped and not in use.
        unsafe { place.write(start.frame.clone()) };
        if start.frame.float_state() != 0 {
            // This hart's registers are those of the running thread.
            let _irq = hart::irq_save();
            fpu.save();
        }
        let context = Context::start(start.entry, start.argument, place as usize);
        KArc::try_new(Thread {
            run: RunState::new(),
            wchan: AtomicU8::new(0),
            wait_queue: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            held_locks: HeldLocks::new(),
            waiting: Link::new(),
            runnable: Link::new(),
            last_hart: AtomicUsize::new(hart::this().index()),
            context,
            fpu,
            stack,
            space: AtomicPtr::new(core::ptr::null_mut()),
            deadline: AtomicU64::new(0),
            owner: AtomicPtr::new(core::ptr::null_mut()),
            ended,
        })
    }

    /// Sets the owner, before the thread runs.
    ///
    /// # Panics
    /// If it is set already.
    pub(super) fn set_owner<T: Owner>(&self, owner: KArc<T>) {
        let space = owner.space().cast_mut();
        let owner = KArc::into_raw(owner).cast_mut().cast();
        let before = self.owner.swap(owner, Ordering::Relaxed);
        assert!(before.is_null(), "started twice");
        self.space.store(space, Ordering::Relaxed);
    }

    /// The owner.
    #[inline]
    pub(super) fn owner(&self) -> *const () {
        self.owner.load(Ordering::Relaxed)
    }

    /// The function to call when the thread has exited, and its argument.
    pub(super) fn ended(&self) -> (unsafe fn(*const ()), *const ()) {
        (self.ended, self.owner())
    }

    /// Loads the thread's address space on this hart. Interrupts are disabled, and the thread runs here next.
    #[inline]
    pub(super) fn enter_space(&self, hart: &hart::Hart) {
        // SAFETY: the owner keeps the space until the thread has exited or has switched to another one, and the
        // hart loads another space before either.
        unsafe { asid::enter(hart, self.space.load(Ordering::Relaxed).as_ref()) };
    }

    /// Top of the kernel stack.
    pub(super) fn stack_top(&self) -> usize {
        self.stack.top()
    }

    /// The saved context, valid while the thread does not run.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The user registers at the last trap.
    #[inline]
    pub fn frame(&self) -> &TrapFrame {
        // SAFETY: `try_new` wrote the frame at the top of the stack, and the stack lives as long as the thread.
        // All fields of the frame are atomic.
        unsafe { &*trap_frame_at(self.stack.top()) }
    }

    /// The scheduling state.
    pub(super) fn run(&self) -> &RunState {
        &self.run
    }

    /// Whether it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.run.is_interrupted()
    }

    /// The current state, for listings.
    pub fn state(&self) -> State {
        self.run.state()
    }

    /// The running thread is about to wait on this channel, in the wait queue at this address.
    pub(super) fn prepare_to_wait(&self, interruptible: bool, wchan: Wchan, queue: usize) {
        self.wchan.store(wchan as u8, Ordering::Relaxed);
        self.wait_queue.store(queue, Ordering::Relaxed);
        self.since.store(timer::now(), Ordering::Relaxed);
        self.run.prepare_to_wait(interruptible);
    }

    /// If it waits: the name of the wait channel, the address of the wait queue, the start of the wait.
    pub fn wchan(&self) -> Option<(&'static str, usize, u64)> {
        self.run.is_waiting().then(|| {
            (
                Wchan::name(self.wchan.load(Ordering::Relaxed)),
                self.wait_queue.load(Ordering::Relaxed),
                self.since.load(Ordering::Relaxed),
            )
        })
    }

    /// Sleeping locks that it holds; recorded in checked builds only.
    pub fn held_locks(&self) -> &HeldLocks<LOCKS> {
        &self.held_locks
    }

    /// The return addresses from where it was switched out. Meaningless if it runs.
    pub fn callers(&self) -> impl Iterator<Item = usize> + Clone {
        self.callers_from(self.context.frame_pointer())
    }

    /// The return addresses from the frame with this frame pointer on its stack.
    pub fn callers_from(&self, fp: usize) -> impl Iterator<Item = usize> + Clone {
        let top = self.stack.top();
        // SAFETY: the stack is mapped as long as the thread lives, which the result borrows.
        unsafe { unwind::callers(fp, top - layout::STACK_SIZE..top) }
    }

    /// The number of its last system call. Meaningless if it runs.
    pub fn syscall_number(&self) -> u64 {
        self.frame().syscall_number()
    }

    /// Whether the thread is in a wait queue.
    pub(super) fn is_on_wait_queue(&self) -> bool {
        self.waiting.is_queued()
    }
}

/// The thread that runs this code.
pub struct Current(*const Thread);

impl Deref for Current {
    type Target = Thread;
    #[inline]
    fn deref(&self) -> &Thread {
        // SAFETY: the hart holds a reference to the thread that it runs. `Current` is not `Send` and is not
        // stored.
        unsafe { &*self.0 }
    }
}

/// The thread that runs this code.
///
/// # Panics
/// In the idle loop and in boot code.
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
        // SAFETY: the pointer came from `KArc::into_raw`; the hart keeps its reference.
        let hart_own = core::mem::ManuallyDrop::new(unsafe { KArc::from_raw(self.0) });
        KArc::clone(&hart_own)
    }

    /// Switches to another address space; null for the kernel's own.
    ///
    /// # Safety
    /// As for [`Owner::space`].
    pub unsafe fn switch_space(&self, space: *const asid::Context) {
        let _irq = hart::irq_save();
        self.space.store(space.cast_mut(), Ordering::Relaxed);
        self.enter_space(hart::this());
    }

    /// Turns the floating point unit on, with all registers zero.
    pub fn enable_fpu(&self) {
        let _irq = hart::irq_save();
        self.fpu.clear();
        self.fpu.load();
        self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
    }

    /// Saves the floating point registers if they changed, before a switch to another thread.
    pub(super) fn save_fpu(&self) {
        if self.frame().float_state() == csr::SSTATUS_FS_DIRTY {
            self.fpu.save();
            self.frame().set_float_state(csr::SSTATUS_FS_CLEAN);
        }
    }

    /// Restores the floating point registers, after a switch to this thread.
    pub(super) fn restore_fpu(&self) {
        if self.frame().float_state() != 0 {
            self.fpu.load();
        }
    }
}
