//! One process.

use super::TestObjects;
use super::queue::{Kind as QueueKind, QueueLink};
use crate::arch::fpu::FloatRegisters;
use crate::arch::switch::Context;
use crate::arch::trap::{TrapFrame, frame_at};
use crate::arch::{layout, timer, unwind};
use crate::fs::{FileTable, InodeRef};
use crate::mm::{KernelStack, Space, kernel_space, satp_of};
use crate::sync::{Awaited, Held, SleepLock, SpinLock, WaitQueue, rank};
use abi::{Errno, ProcState};
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use kmalloc::{AllocError, KArc};
use vm::{SpaceId, asid::Tag};

/// Sleeping locks of a process that are recorded, in checked builds.
const LOCKS: usize = if cfg!(debug_assertions) { 8 } else { 0 };

const RUNNABLE: u8 = 0;
const SLEEPING: u8 = 1;
const SLEEPING_SURELY: u8 = 2;
const ENDED: u8 = 3;

/// No hart is on the process's stack.
const AWAY: u8 = 0;
/// A hart is.
const THERE: u8 = 1;
/// A hart is, and queues the process as soon as it has left.
const COMES_BACK: u8 = 2;
/// A hart is, for the last time.
const LEAVES: u8 = 3;

/// What is to become of a process whose stack a hart has just left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: who wakes it queues it.
    Sleeps,
    /// It goes to a queue of runnable ones.
    ComesBack,
    /// It has ended.
    Ended,
}

/// A process: one thread, one address space, its files.
///
/// It lives in a [`KArc`]; the table of processes, the queue it is in and the hart it runs on each
/// hold one.
pub struct Process {
    /// Number for programs.
    pub pid: i32,
    state: AtomicU8,
    /// The status to end with, once it was killed; 0 before.
    killed: AtomicI32,
    /// Its process group; changes under the lock of the table.
    group: AtomicI32,
    /// Whether `init` started it: then it is a shell, to be kept as long as possible.
    of_init: AtomicBool,
    /// Whether a hart is on its stack, and what that hart does when it has left.
    presence: AtomicU8,
    status: AtomicI32,
    /// Why its last call that failed has failed, or 0.
    errno: AtomicU8,
    /// What it waits for, by the queue's name and address, and since when.
    awaited: AtomicU8,
    awaited_in: AtomicUsize,
    since: AtomicU64,
    /// Sleeping locks that it holds, in checked builds.
    held_locks: Held<LOCKS>,
    waiting: QueueLink,
    runnable: QueueLink,
    pub(super) last_hart: AtomicUsize,
    context: UnsafeCell<Context>,
    floats: UnsafeCell<FloatRegisters>,
    stack: KernelStack,
    satp: AtomicUsize,
    /// What harts may remember of the address space.
    tag: Tag,
    resident: AtomicUsize,
    page_tables: AtomicUsize,
    /// Pages of the records of its regions.
    records: AtomicUsize,
    /// Pages that its files and its objects of the test call `kmalloc` take, roughly.
    held: AtomicUsize,
    /// When a sleeping process wants to go on.
    pub deadline: AtomicU64,
    /// Where it waits for children to end.
    pub child_ended: WaitQueue,
    /// The address space; none before the first `exec` and after the end.
    pub space: SleepLock<Option<Space>>,
    /// Files and directory.
    pub own: SleepLock<Own>,
    name: SpinLock<Name, { rank::DEVICE }>,
}

// SAFETY: `context` and `floats` are used only by the hart that runs the process or, while none
// does, by the one that switches to it; `presence` hands them over.
unsafe impl Sync for Process {}

/// What a process has and nobody else looks at.
pub struct Own {
    /// Open files.
    pub files: FileTable,
    /// Where relative paths start; none before the file system is mounted and after the end.
    pub directory: Option<InodeRef>,
    /// Objects from the test call `kmalloc`.
    pub objects: TestObjects,
}

impl Own {
    /// Pages of memory that all this takes, roughly.
    pub fn pages(&self) -> usize {
        self.files.pages() + self.objects.pages()
    }
}

/// Last part of the path of the program, for lists.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; 16],
    length: usize,
}

impl Name {
    /// The bytes, with zeroes behind them.
    pub fn bytes(&self) -> [u8; 16] {
        self.bytes
    }

    /// The name, cut if it is too long.
    pub fn new(text: &[u8]) -> Name {
        let mut bytes = [0; 16];
        let length = text.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Name { bytes, length }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        match core::str::from_utf8(bytes) {
            Ok(text) => f.pad(text),
            Err(_) => f.pad("?"),
        }
    }
}

fn space_id(pid: i32) -> SpaceId {
    SpaceId(pid as u16)
}

impl Process {
    /// A process that begins in the kernel with `entry(argument)` when it is first switched to, and
    /// goes on in user mode when that returns.
    pub fn try_new(
        pid: i32,
        name: Name,
        own: Own,
        mut space: Option<Space>,
        entry: extern "C" fn(usize),
        argument: usize,
    ) -> Result<KArc<Process>, AllocError> {
        let stack = KernelStack::try_new()?;
        if let Some(space) = &mut space {
            space.set_id(space_id(pid));
        }
        let satp = space.as_ref().map_or(kernel_space::satp(), satp_of);
        let resident = space.as_ref().map_or(0, |space| space.resident());
        let page_tables = space.as_ref().map_or(0, |space| space.page_tables());
        let records = space.as_ref().map_or(0, |space| space.record_pages());
        let held = own.pages();
        let frame = frame_at(stack.top());
        // SAFETY: the stack is mapped and nobody uses it yet.
        unsafe { frame.write(TrapFrame::user(0, 0, [0, 0])) };
        let start = frame as usize;
        KArc::try_new(Process {
            pid,
            state: AtomicU8::new(RUNNABLE),
            killed: AtomicI32::new(0),
            group: AtomicI32::new(pid),
            of_init: AtomicBool::new(false),
            presence: AtomicU8::new(AWAY),
            status: AtomicI32::new(0),
            errno: AtomicU8::new(0),
            awaited: AtomicU8::new(0),
            awaited_in: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            held_locks: Held::new(),
            waiting: QueueLink::new(),
            runnable: QueueLink::new(),
            last_hart: AtomicUsize::new(crate::arch::hart::this().index()),
            context: UnsafeCell::new(Context::start(entry, argument, start)),
            floats: UnsafeCell::new(FloatRegisters::new()),
            stack,
            satp: AtomicUsize::new(satp),
            tag: Tag::new(),
            resident: AtomicUsize::new(resident),
            page_tables: AtomicUsize::new(page_tables),
            records: AtomicUsize::new(records),
            held: AtomicUsize::new(held),
            deadline: AtomicU64::new(0),
            child_ended: WaitQueue::new(Awaited::Child),
            space: SleepLock::new(Awaited::SpaceLock, space),
            own: SleepLock::new(Awaited::FilesLock, own),
            name: SpinLock::new(name),
        })
    }

    /// The program's name.
    pub fn name(&self) -> Name {
        *self.name.lock()
    }

    /// The program's name, unless it is being changed.
    pub fn try_name(&self) -> Option<Name> {
        self.name.try_lock().map(|name| *name)
    }

    /// Takes another name, as `exec` does.
    pub fn set_name(&self, name: Name) {
        *self.name.lock() = name;
    }

    /// Top of the kernel stack.
    pub fn stack_top(&self) -> usize {
        self.stack.top()
    }

    /// The user registers of this process. Only itself, in a system call, or its parent before it
    /// first runs, may ask.
    #[allow(
        clippy::mut_from_ref,
        reason = "the frame lies outside of the structure"
    )]
    pub fn frame(&self) -> &mut TrapFrame {
        // SAFETY: the top of the kernel stack is reserved for the frame, is mapped as long as the
        // process exists, and is used by its one thread only.
        unsafe { &mut *frame_at(self.stack.top()) }
    }

    /// What harts may remember of the address space. For the hart that runs the process, or switches
    /// to it, with interrupts off.
    pub fn tag(&self) -> &Tag {
        &self.tag
    }

    /// The name of the process's address space, for its flushes.
    pub fn space_id(&self) -> SpaceId {
        space_id(self.pid)
    }

    /// The value of `satp` to run with, without a number.
    pub fn satp(&self) -> usize {
        self.satp.load(Ordering::Relaxed)
    }

    /// Says with which root table the process runs.
    pub fn set_satp(&self, satp: usize) {
        self.satp.store(satp, Ordering::Relaxed);
    }

    /// Pages of memory the process has, as of its last fault or call about memory.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Pages of its page table, as of the same time.
    pub fn page_tables(&self) -> usize {
        self.page_tables.load(Ordering::Relaxed)
    }

    /// Notes how much the process's space takes, for those who cannot wait for it.
    pub fn note_space(&self, space: &Space) {
        self.resident.store(space.resident(), Ordering::Relaxed);
        self.page_tables
            .store(space.page_tables(), Ordering::Relaxed);
        self.records.store(space.record_pages(), Ordering::Relaxed);
    }

    /// Notes that the space is gone.
    pub fn note_no_space(&self) {
        self.resident.store(0, Ordering::Relaxed);
        self.page_tables.store(0, Ordering::Relaxed);
        self.records.store(0, Ordering::Relaxed);
    }

    /// All pages that would come back with the process, if it shares none with others.
    pub fn footprint(&self) -> usize {
        let records = self.records.load(Ordering::Relaxed);
        self.resident() + self.page_tables() + records + self.held()
    }

    /// Pages that the process's files and its objects of the test call `kmalloc` take, roughly.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Says how many pages these take.
    pub fn set_held(&self, pages: usize) {
        self.held.store(pages, Ordering::Relaxed);
    }

    /// Where the registers are while the process does not run.
    pub(super) fn context(&self) -> *mut Context {
        self.context.get()
    }

    /// The floating point registers while the process does not run.
    pub(super) fn floats(&self) -> *mut FloatRegisters {
        self.floats.get()
    }

    /// Number of the reason why the process's last call that failed has failed; 0 if none has.
    pub fn errno(&self) -> u64 {
        u64::from(self.errno.load(Ordering::Relaxed))
    }

    /// Says why a call of the process fails.
    pub fn set_errno(&self, error: Errno) {
        self.errno.store(error as u8, Ordering::Relaxed);
    }

    /// True if `init` started the process, and did not just inherit it.
    pub fn is_of_init(&self) -> bool {
        self.of_init.load(Ordering::Relaxed)
    }

    /// Says that `init` started the process.
    pub(super) fn set_of_init(&self) {
        self.of_init.store(true, Ordering::Relaxed);
    }

    /// True once the process was killed; it ends before it next returns to user mode.
    pub fn is_killed(&self) -> bool {
        self.killed_with().is_some()
    }

    /// The status that it ends with because it was killed.
    pub fn killed_with(&self) -> Option<i32> {
        let status = self.killed.load(Ordering::SeqCst);
        (status != 0).then_some(status)
    }

    /// Kills the process, which ends with this status, not 0, unless it was killed before; if it waits
    /// for something, it waits no longer.
    pub fn kill(this: &KArc<Process>, status: i32) {
        let _ = this
            .killed
            .compare_exchange(0, status, Ordering::SeqCst, Ordering::SeqCst);
        if this.state.load(Ordering::SeqCst) == SLEEPING {
            super::sched::wake(this.clone());
        }
    }

    /// The number of its process group.
    pub fn group(&self) -> i32 {
        self.group.load(Ordering::Relaxed)
    }

    /// Puts it into another process group; the caller has the table locked.
    pub(super) fn set_group(&self, group: i32) {
        self.group.store(group, Ordering::Relaxed);
    }

    /// The process is about to wait, for this, in the queue at this address.
    pub fn begin_sleep(&self, interruptible: bool, awaited: Awaited, queue: usize) {
        self.awaited.store(awaited as u8, Ordering::Relaxed);
        self.awaited_in.store(queue, Ordering::Relaxed);
        self.since.store(timer::now(), Ordering::Relaxed);
        let state = if interruptible {
            SLEEPING
        } else {
            SLEEPING_SURELY
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// The process decides not to wait after all; false if somebody has woken it already.
    pub fn cancel_sleep(&self) -> bool {
        self.end_sleep()
    }

    /// Makes a waiting process runnable; false if it did not wait.
    pub(super) fn end_sleep(&self) -> bool {
        let awake = |state| matches!(state, SLEEPING | SLEEPING_SURELY).then_some(RUNNABLE);
        self.state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, awake)
            .is_ok()
    }

    /// The running process has ended, and leaves its stack for the last time.
    pub(super) fn set_ended(&self, status: i32) {
        self.status.store(status, Ordering::Relaxed);
        self.state.store(ENDED, Ordering::SeqCst);
        self.presence.store(LEAVES, Ordering::Relaxed);
    }

    /// With what status it has ended.
    pub(super) fn status(&self) -> i32 {
        self.status.load(Ordering::Relaxed)
    }

    /// What it does at the moment, for lists.
    pub fn state(&self) -> ProcState {
        match self.state.load(Ordering::Relaxed) {
            RUNNABLE if self.presence.load(Ordering::Relaxed) != AWAY => ProcState::Running,
            RUNNABLE => ProcState::Ready,
            SLEEPING => ProcState::Sleeping,
            SLEEPING_SURELY => ProcState::Waiting,
            _ => ProcState::Ended,
        }
    }

    /// This hart takes the process's stack and registers.
    pub(super) fn arrive(&self) {
        self.presence.store(THERE, Ordering::Relaxed);
    }

    /// Gives up the process's stack and registers, and tells what is to be done about the process.
    pub(super) fn leave(&self) -> Left {
        match self.presence.swap(AWAY, Ordering::AcqRel) {
            COMES_BACK => Left::ComesBack,
            LEAVES => Left::Ended,
            _ => Left::Sleeps,
        }
    }

    /// Has the hart on the process's stack queue it when that has left; false if none is there.
    pub(super) fn call_back(&self) -> bool {
        let there =
            self.presence
                .compare_exchange(THERE, COMES_BACK, Ordering::AcqRel, Ordering::Acquire);
        there.is_ok()
    }

    /// For the running process, about to leave: true, once, if it is to come back at once.
    pub(super) fn was_called_back(&self) -> bool {
        let called = self.presence.load(Ordering::Acquire) == COMES_BACK;
        if called {
            // Nobody else changes it until the process sleeps again.
            self.presence.store(THERE, Ordering::Relaxed);
        }
        called
    }

    /// What it waits for, if it waits: the name, the queue's address, since when.
    pub fn awaits(&self) -> Option<(&'static str, usize, u64)> {
        let state = self.state.load(Ordering::Relaxed);
        matches!(state, SLEEPING | SLEEPING_SURELY).then(|| {
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

    /// How it came to where it left its hart: the addresses returned to. Of a process that runs
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

    /// The number of its last system call; of a process that runs meanwhile, any number.
    pub fn call_number(&self) -> u64 {
        TrapFrame::call_number_of(frame_at(self.stack.top()))
    }

    /// The link for queues of this kind.
    pub(super) fn link(&self, kind: QueueKind) -> &QueueLink {
        match kind {
            QueueKind::Waiting(_) => &self.waiting,
            QueueKind::Runnable => &self.runnable,
        }
    }

    /// True while the process is in a queue of waiting ones.
    pub fn is_queued_waiting(&self) -> bool {
        self.waiting.is_queued()
    }
}
