//! First-in first-out queues of threads, linked through the threads themselves, so that queueing needs no
//! memory. A thread is in one queue of each kind at the most: it waits for one thing, and it is runnable
//! on one hart. It can be in one of both for a moment: an interruption makes a thread runnable that then
//! takes itself out of the queue it waited in.

use super::Awaited;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use fallible::KArc;

/// What a queue is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Threads that wait for this.
    Waiting(Awaited),
    /// Threads that want to run.
    Runnable,
}

/// What can be in queues.
///
/// # Safety
/// Each object has links of its own, one for each kind, and always gives the same.
pub unsafe trait Queued: Sized {
    /// The link for queues of this kind.
    fn link(&self, kind: Kind) -> &QueueLink<Self>;
}

/// The part of a thread that the queues of one kind use.
pub struct QueueLink<T> {
    next: UnsafeCell<Option<KArc<T>>>,
    queued: AtomicBool,
}

// SAFETY: `next` is touched only by the queue the thread is in, through `&mut Queue`.
unsafe impl<T: Send + Sync> Sync for QueueLink<T> {}
// SAFETY: it holds a counted reference to a thread, which is shared between harts anyway.
unsafe impl<T: Send + Sync> Send for QueueLink<T> {}

impl<T> QueueLink<T> {
    /// In no queue.
    pub const fn new() -> QueueLink<T> {
        QueueLink {
            next: UnsafeCell::new(None),
            queued: AtomicBool::new(false),
        }
    }

    /// True while a queue has the thread.
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }
}

/// A queue of threads.
pub struct Queue<T: Queued> {
    kind: Kind,
    first: Option<KArc<T>>,
    last: *const T,
}

// SAFETY: `last` points at a thread that the chain from `first` keeps alive.
unsafe impl<T: Queued + Send + Sync> Send for Queue<T> {}

impl<T: Queued> Queue<T> {
    /// An empty queue.
    pub const fn new(kind: Kind) -> Queue<T> {
        Queue {
            kind,
            first: None,
            last: core::ptr::null(),
        }
    }

    /// What the queue is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The thread that comes out next.
    pub fn first(&self) -> Option<&KArc<T>> {
        self.first.as_ref()
    }

    /// Appends a thread that is in no queue.
    pub fn push(&mut self, thread: KArc<T>) {
        debug_assert!(!thread.link(self.kind).is_queued(), "queued already");
        thread.link(self.kind).queued.store(true, Ordering::Relaxed);
        let last = KArc::as_ptr(&thread);
        // SAFETY: `last` is kept alive by the chain; its link belongs to this queue.
        match unsafe { self.last.as_ref() } {
            // SAFETY: as above, and `&mut self` is the only way to this queue's links.
            Some(end) => unsafe { *end.link(self.kind).next.get() = Some(thread) },
            None => self.first = Some(thread),
        }
        self.last = last;
    }

    /// Puts a thread that is in no queue before the first one for which `before` holds, at the end
    /// if there is none.
    pub fn insert(&mut self, thread: KArc<T>, before: impl Fn(&T) -> bool) {
        let (_, place) = self.find(before);
        // SAFETY: `place` is a link of this queue, and `&mut self` is the only way to those.
        let place = unsafe { &mut *place };
        if place.is_none() {
            return self.push(thread);
        }
        thread.link(self.kind).queued.store(true, Ordering::Relaxed);
        // SAFETY: the thread is in no queue but, from here on, this one.
        unsafe { *thread.link(self.kind).next.get() = place.take() };
        *place = Some(thread);
    }

    /// The link that leads to the first thread for which `wanted` holds (the last link if none
    /// does), and the thread that link belongs to, null for the queue's own.
    fn find(&mut self, wanted: impl Fn(&T) -> bool) -> (*const T, *mut Option<KArc<T>>) {
        let mut owner = core::ptr::null();
        let mut place: *mut Option<KArc<T>> = &mut self.first;
        // SAFETY: `place` is always a link of this queue, and `&mut self` the only way to those.
        while let Some(thread) = unsafe { &*place } {
            if wanted(thread) {
                break;
            }
            owner = KArc::as_ptr(thread);
            place = thread.link(self.kind).next.get();
        }
        (owner, place)
    }

    /// Takes the first thread out.
    #[inline]
    pub fn pop(&mut self) -> Option<KArc<T>> {
        let thread = self.first.take()?;
        // SAFETY: the thread was in this queue, so its link is ours.
        self.first = unsafe { (*thread.link(self.kind).next.get()).take() };
        if self.first.is_none() {
            self.last = core::ptr::null();
        }
        thread
            .link(self.kind)
            .queued
            .store(false, Ordering::Release);
        Some(thread)
    }

    /// Takes this thread out if it is in the queue. Costs a walk; only waits that were cut short
    /// need it.
    pub fn remove(&mut self, thread: &T) {
        let (owner, place) = self.find(|other| core::ptr::eq(other, thread));
        // SAFETY: as in `insert`.
        let place = unsafe { &mut *place };
        let Some(found) = place.take() else { return };
        // SAFETY: the thread was in this queue, so its link is ours.
        *place = unsafe { (*found.link(self.kind).next.get()).take() };
        if place.is_none() {
            self.last = owner;
        }
        found.link(self.kind).queued.store(false, Ordering::Release);
    }
}
