//! What the table knows of a process.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// What the table knows of a process. All but the number may change at any time, seen by others.
#[derive(Debug)]
pub struct Identity {
    /// Number for programs.
    pub pid: i32,
    /// The status to end with, once it was killed; 0 before.
    killed: AtomicI32,
    /// Its process group; changes under the lock of the table.
    group: AtomicI32,
    /// Whether `init` started it: then it is a shell, to be kept as long as possible.
    of_init: AtomicBool,
}

impl Identity {
    /// A process with this number, in the group of the same number.
    pub const fn new(pid: i32) -> Identity {
        Identity {
            pid,
            killed: AtomicI32::new(0),
            group: AtomicI32::new(pid),
            of_init: AtomicBool::new(false),
        }
    }

    /// True once the process was killed.
    pub fn is_killed(&self) -> bool {
        self.killed_with().is_some()
    }

    /// The status that it ends with because it was killed.
    pub fn killed_with(&self) -> Option<i32> {
        let status = self.killed.load(Ordering::SeqCst);
        (status != 0).then_some(status)
    }

    /// The process is to end with this status, not 0; the first one counts.
    pub fn set_killed(&self, status: i32) {
        let _ = self
            .killed
            .compare_exchange(0, status, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The number of its process group.
    pub fn group(&self) -> i32 {
        self.group.load(Ordering::Relaxed)
    }

    pub(crate) fn set_group(&self, group: i32) {
        self.group.store(group, Ordering::Relaxed);
    }

    /// True if `init` started the process, and did not just inherit it.
    pub fn is_of_init(&self) -> bool {
        self.of_init.load(Ordering::Relaxed)
    }

    pub(crate) fn set_of_init(&self) {
        self.of_init.store(true, Ordering::Relaxed);
    }
}
