//! One process.

use super::objects::TestObjects;
use crate::arch::trap::TrapFrame;
use crate::fs::{FileTable, InodeRef};
use crate::sched::{self, Awaited, SleepLock, State, Thread, WaitQueue};
use crate::space::Mm;
use crate::sync::{SpinLock, rank};
use abi::{Errno, ProcState};
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};
use fallible::{AllocError, KArc};
use processes::Identity;

/// A process: a thread, an address space, its files.
///
/// It lives in a [`KArc`], which its thread keeps until that has left its stack for ever, and the table of
/// processes until, after that, the parent has reaped it.
pub struct Process {
    pub(super) identity: Identity,
    status: AtomicI32,
    /// Why its last call that failed has failed, or 0.
    errno: AtomicU8,
    thread: KArc<Thread>,
    mm: KArc<Mm>,
    /// Pages that its files and its objects of the test call `kmalloc` take, roughly.
    held: AtomicUsize,
    /// Where it waits for children to end.
    pub child_ended: WaitQueue,
    /// Files and directory.
    pub own: SleepLock<Own>,
    name: SpinLock<Name, { rank::DEVICE }>,
}

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

/// What the table knows of the process: its number, its group, whether it was killed.
impl Deref for Process {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Process {
    /// A process that begins with its thread.
    pub fn try_new(
        pid: i32,
        name: Name,
        own: Own,
        mm: KArc<Mm>,
        thread: KArc<Thread>,
    ) -> Result<KArc<Process>, AllocError> {
        let held = own.pages();
        KArc::try_new(Process {
            identity: Identity::new(pid),
            status: AtomicI32::new(0),
            errno: AtomicU8::new(0),
            thread,
            mm,
            held: AtomicUsize::new(held),
            child_ended: WaitQueue::new(Awaited::Child),
            own: SleepLock::new(Awaited::FilesLock, own),
            name: SpinLock::new(name),
        })
    }

    /// The user registers, as of the last trap.
    #[inline]
    pub fn user_frame(&self) -> &TrapFrame {
        self.thread.frame()
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

    /// Its thread.
    pub fn thread(&self) -> &KArc<Thread> {
        &self.thread
    }

    /// Its address space.
    pub fn mm(&self) -> &Mm {
        &self.mm
    }

    /// All pages that would come back with the process, if it shares none with others.
    pub fn footprint(&self) -> usize {
        self.mm.pages() + self.held()
    }

    /// Pages that the process's files and its objects of the test call `kmalloc` take, roughly.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Says how many pages these take.
    pub fn set_held(&self, pages: usize) {
        self.held.store(pages, Ordering::Relaxed);
    }

    /// Number of the reason why the process's last call that failed has failed; 0 if none has.
    pub fn errno(&self) -> u64 {
        u64::from(self.errno.load(Ordering::Relaxed))
    }

    /// Says why a call of the process fails.
    pub fn set_errno(&self, error: Errno) {
        self.errno.store(error as u8, Ordering::Relaxed);
    }

    /// Kills the process, which ends with this status, not 0, unless it was killed before; if it waits
    /// for something, it waits no longer.
    pub fn kill(this: &KArc<Process>, status: i32) {
        this.set_killed(status);
        sched::interrupt(&this.thread);
    }

    /// Says with what status it ends.
    pub(super) fn set_status(&self, status: i32) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// With what status it has ended.
    pub(super) fn status(&self) -> i32 {
        self.status.load(Ordering::Relaxed)
    }

    /// What it does at the moment, for lists.
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
