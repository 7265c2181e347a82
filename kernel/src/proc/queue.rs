//! First-in first-out queues of processes, linked through the processes themselves, so that
//! queueing needs no memory. A process is in one queue of each kind at the most: it waits for one
//! thing, and it is runnable on one hart. It can be in one of both for a moment: `kill` makes a
//! process runnable that then takes itself out of the queue it waited in.

use super::Process;
use crate::sync::Awaited;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use kmalloc::KArc;

/// What a queue is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Processes that wait for this.
    Waiting(Awaited),
    /// Processes that want to run.
    Runnable,
}

/// The part of a process that the queues of one kind use.
pub struct QueueLink {
    next: UnsafeCell<Option<KArc<Process>>>,
    queued: AtomicBool,
}

// SAFETY: `next` is touched only by the queue the process is in, through `&mut ProcessQueue`.
unsafe impl Sync for QueueLink {}
// SAFETY: it holds a counted reference to a process, which is shared between harts anyway.
unsafe impl Send for QueueLink {}

impl QueueLink {
    /// In no queue.
    pub const fn new() -> QueueLink {
        QueueLink {
            next: UnsafeCell::new(None),
            queued: AtomicBool::new(false),
        }
    }

    /// True while a queue has the process.
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }
}

/// A queue of processes.
pub struct ProcessQueue {
    kind: Kind,
    first: Option<KArc<Process>>,
    last: *const Process,
}

// SAFETY: `last` points at a process that the chain from `first` keeps alive.
unsafe impl Send for ProcessQueue {}

impl ProcessQueue {
    /// An empty queue.
    pub const fn new(kind: Kind) -> ProcessQueue {
        ProcessQueue {
            kind,
            first: None,
            last: core::ptr::null(),
        }
    }

    /// What the queue is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process that comes out next.
    pub fn first(&self) -> Option<&KArc<Process>> {
        self.first.as_ref()
    }

    /// Appends a process that is in no queue.
    pub fn push(&mut self, process: KArc<Process>) {
        debug_assert!(
            !process.link(self.kind).is_queued(),
            "pid {} is queued already",
            process.pid
        );
        process
            .link(self.kind)
            .queued
            .store(true, Ordering::Relaxed);
        let last = KArc::as_ptr(&process);
        // SAFETY: `last` is kept alive by the chain; its link belongs to this queue.
        match unsafe { self.last.as_ref() } {
            // SAFETY: as above, and `&mut self` is the only way to this queue's links.
            Some(end) => unsafe { *end.link(self.kind).next.get() = Some(process) },
            None => self.first = Some(process),
        }
        self.last = last;
    }

    /// Puts a process that is in no queue before the first one for which `before` holds, at the end
    /// if there is none.
    pub fn insert(&mut self, process: KArc<Process>, before: impl Fn(&Process) -> bool) {
        let (_, place) = self.find(before);
        // SAFETY: `place` is a link of this queue, and `&mut self` is the only way to those.
        let place = unsafe { &mut *place };
        if place.is_none() {
            return self.push(process);
        }
        process
            .link(self.kind)
            .queued
            .store(true, Ordering::Relaxed);
        // SAFETY: the process is in no queue but, from here on, this one.
        unsafe { *process.link(self.kind).next.get() = place.take() };
        *place = Some(process);
    }

    /// The link that leads to the first process for which `wanted` holds (the last link if none
    /// does), and the process that link belongs to, null for the queue's own.
    fn find(
        &mut self,
        wanted: impl Fn(&Process) -> bool,
    ) -> (*const Process, *mut Option<KArc<Process>>) {
        let mut owner = core::ptr::null();
        let mut place: *mut Option<KArc<Process>> = &mut self.first;
        // SAFETY: `place` is always a link of this queue, and `&mut self` the only way to those.
        while let Some(process) = unsafe { &*place } {
            if wanted(process) {
                break;
            }
            owner = KArc::as_ptr(process);
            place = process.link(self.kind).next.get();
        }
        (owner, place)
    }

    /// Takes the first process out.
    pub fn pop(&mut self) -> Option<KArc<Process>> {
        let process = self.first.take()?;
        // SAFETY: the process was in this queue, so its link is ours.
        self.first = unsafe { (*process.link(self.kind).next.get()).take() };
        if self.first.is_none() {
            self.last = core::ptr::null();
        }
        process
            .link(self.kind)
            .queued
            .store(false, Ordering::Release);
        Some(process)
    }

    /// Takes this process out if it is in the queue. Costs a walk; only waits that were cut short
    /// need it.
    pub fn remove(&mut self, process: &Process) {
        let (owner, place) = self.find(|other| core::ptr::eq(other, process));
        // SAFETY: as in `insert`.
        let place = unsafe { &mut *place };
        let Some(found) = place.take() else { return };
        // SAFETY: the process was in this queue, so its link is ours.
        *place = unsafe { (*found.link(self.kind).next.get()).take() };
        if place.is_none() {
            self.last = owner;
        }
        found.link(self.kind).queued.store(false, Ordering::Release);
    }
}
