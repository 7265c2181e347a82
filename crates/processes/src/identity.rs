//! The part of a process that the table knows.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The part of a process that the table knows. All fields but the PID are atomic.
#[derive(Debug)]
pub struct Identity {
    /// Process ID.
    pub pid: i32,
    /// The exit status of a killed process; 0 if it is not killed.
    killed: AtomicI32,
    /// Process group; changes under the table's lock.
    group: AtomicI32,
    /// Whether `init` forked it: then it is a shell, which out-of-memory and process limits spare.
    started_by_init: AtomicBool,
}

impl Identity {
    /// A process with this PID, in the group of the same number.
    pub const fn new(pid: i32) -> Identity {
        Identity {
            pid,
            killed: AtomicI32::new(0),
            group: AtomicI32::new(pid),
            started_by_init: AtomicBool::new(false),
        }
    }

    /// Whether the process was killed.
    pub fn is_killed(&self) -> bool {
        self.killed_with().is_some()
    }

    /// The exit status, if it was killed.
    pub fn killed_with(&self) -> Option<i32> {
        let status = self.killed.load(Ordering::SeqCst);
        (status != 0).then_some(status)
    }

    /// Marks the process as killed, with this exit status, not 0. The first call counts.
    pub fn set_killed(&self, status: i32) {
        let _ = self
            .killed
            .compare_exchange(0, status, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Its process group.
    pub fn group(&self) -> i32 {
        self.group.load(Ordering::Relaxed)
    }

    pub(crate) fn set_group(&self, group: i32) {
        self.group.store(group, Ordering::Relaxed);
    }

    /// Whether `init` forked the process, as opposed to having adopted it.
    pub fn is_started_by_init(&self) -> bool {
        self.started_by_init.load(Ordering::Relaxed)
    }

    pub(crate) fn set_started_by_init(&self) {
        self.started_by_init.store(true, Ordering::Relaxed);
    }
}
