//! A process.

use super::objects::TestObjects;
use crate::arch::trap::TrapFrame;
use crate::fs::{FileTable, InodeRef};
use crate::sched::{self, SleepLock, State, Thread, WaitQueue, Wchan};
use crate::space::Mm;
use crate::sync::{SpinLock, rank};
use abi::{Errno, ProcState};
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};
use fallible::{AllocError, KArc};
use processes::Identity;

/// A process: a thread, an address space, files.
///
/// Its thread holds a counted reference until it has left its stack for the last time; the process table holds
/// one until the parent has reaped the process after that.
pub struct Process {
    pub(super) identity: Identity,
    status: AtomicI32,
    /// The error of its last failed system call; 0 for none.
    errno: AtomicU8,
    thread: KArc<Thread>,
    mm: KArc<Mm>,
    /// Pages of its resources, approximately; see [`Resources::pages`].
    resource_pages: AtomicUsize,
    /// Where it waits for children to exit.
    pub child_ended: WaitQueue,
    /// Files and current directory.
    pub resources: SleepLock<Resources>,
    name: SpinLock<Name, { rank::DEVICE }>,
}

/// The resources of a process besides its memory.
pub struct Resources {
    /// Open files.
    pub files: FileTable,
    /// Current directory; `None` before the file system is mounted and after exit.
    pub directory: Option<InodeRef>,
    /// Objects from the test call `kmalloc`.
    pub objects: TestObjects,
}

impl Resources {
    /// Pages of kernel memory that they take, approximately.
    pub fn pages(&self) -> usize {
        self.files.pages() + self.objects.pages()
    }
}

/// The last component of the program's path, for listings.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; 16],
    length: usize,
}

impl Name {
    /// The bytes, padded with zeros.
    pub fn bytes(&self) -> [u8; 16] {
        self.bytes
    }

    /// A name, truncated to 16 bytes.
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

/// The part that the process table knows: PID, group, whether it was killed.
impl Deref for Process {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Process {
    /// A process with this thread, which has not started.
    pub fn try_new(
        pid: i32,
        name: Name,
        resources: Resources,
        mm: KArc<Mm>,
        thread: KArc<Thread>,
    ) -> Result<KArc<Process>, AllocError> {
        let resource_pages = resources.pages();
        KArc::try_new(Process {
            identity: Identity::new(pid),
            status: AtomicI32::new(0),
            errno: AtomicU8::new(0),
            thread,
            mm,
            resource_pages: AtomicUsize::new(resource_pages),
            child_ended: WaitQueue::new(Wchan::Child),
            resources: SleepLock::new(Wchan::FilesLock, resources),
            name: SpinLock::new(name),
        })
    }

    /// The user registers at the last trap.
    #[inline]
    pub fn user_frame(&self) -> &TrapFrame {
        self.thread.frame()
    }

    /// The program's name.
    pub fn name(&self) -> Name {
        *self.name.lock()
    }

    /// The program's name; `None` if its lock is held.
    pub fn try_name(&self) -> Option<Name> {
        self.name.try_lock().map(|name| *name)
    }

    /// Sets the program's name.
    pub fn set_name(&self, name: Name) {
        *self.name.lock() = name;
    }

    /// Its thread.
    pub fn thread(&self) -> &KArc<Thread> {
        &self.thread
    }

    /// Its address space.
    pub fn mm(&self) -> &Mm {
        &self.mm
    }

    /// Pages that are freed when the process dies, if it shares none with others.
    pub fn footprint(&self) -> usize {
        self.mm.pages() + self.resource_pages()
    }

    /// Pages of its files and of its objects of the test call `kmalloc`, approximately.
    pub fn resource_pages(&self) -> usize {
        self.resource_pages.load(Ordering::Relaxed)
    }

    /// Sets [`Process::resource_pages`].
    pub fn set_resource_pages(&self, pages: usize) {
        self.resource_pages.store(pages, Ordering::Relaxed);
    }

    /// The error number of the last failed system call; 0 for none.
    pub fn errno(&self) -> u64 {
        u64::from(self.errno.load(Ordering::Relaxed))
    }

    /// Sets the error of a failed system call.
    pub fn set_errno(&self, error: Errno) {
        self.errno.store(error as u8, Ordering::Relaxed);
    }

    /// Kills the process: it exits with this status, not 0, unless it was killed before. Interrupts its waits.
    pub fn kill(this: &KArc<Process>, status: i32) {
        this.set_killed(status);
        sched::interrupt(&this.thread);
    }

    /// Sets the exit status.
    pub(super) fn set_status(&self, status: i32) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The exit status.
    pub(super) fn status(&self) -> i32 {
        self.status.load(Ordering::Relaxed)
    }

    /// The current state, for listings.
    pub fn state(&self) -> ProcState {
        state_of(self.thread.state())
    }
}

/// What a process with a thread in this state does.
pub fn state_of(state: State) -> ProcState {
    match state {
        State::Running => ProcState::Running,
        State::Runnable => ProcState::Ready,
        State::Interruptible => ProcState::Sleeping,
        State::Uninterruptible => ProcState::Waiting,
        State::Ended => ProcState::Ended,
    }
}
