//! Intrusive first-in first-out queues: enqueueing does not allocate.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use fallible::KArc;

/// An object that can be in a queue of this role; in one queue of each role at a time.
///
/// # Safety
/// `link` always returns the same link, which belongs to this object and this role alone.
pub unsafe trait Queued<Role>: Sized {
    /// The object's link.
    fn link(&self) -> &Link<Self>;
}

// A word, because RISC-V has no atomic swap of a byte.
const NO: u32 = 0;
const YES: u32 = 1;

/// The field of an object that links it into a queue.
pub struct Link<T> {
    /// Whether the object is in a queue: [`YES`] or [`NO`]. Only that queue uses `next`.
    queued: AtomicU32,
    next: UnsafeCell<Option<KArc<T>>>,
}

// SAFETY: only the queue that has the object uses `next`, through `&mut Queue`; `queued` passes it from one
// queue to the next with acquire and release.
unsafe impl<T: Send + Sync> Sync for Link<T> {}

impl<T> Link<T> {
    /// A link that is in no queue.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub const fn new() -> Link<T> {
        Link {
            queued: AtomicU32::new(NO),
            next: UnsafeCell::new(None),
        }
    }

    /// Whether the object is in a queue.
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire) != NO
    }

    /// Marks the object as in a queue.
    ///
    /// # Panics
    /// If it is in one already.
    fn claim(&self) {
        let before = self.queued.swap(YES, Ordering::Acquire);
        assert!(before == NO, "in a queue already");
    }

    /// Marks the object as in no queue; the queue does not use `next` any more.
    fn release(&self) {
        self.queued.store(NO, Ordering::Release);
    }
}

/// A queue.
pub struct Queue<T: Queued<Role>, Role> {
    first: Option<KArc<T>>,
    /// The last object; null if the queue is empty.
    last: *const T,
    role: PhantomData<fn(Role)>,
}

// SAFETY: `last` points to an object that the chain from `first` owns.
unsafe impl<T: Queued<Role> + Send + Sync, Role> Send for Queue<T, Role> {}

impl<T: Queued<Role>, Role> Queue<T, Role> {
    /// An empty queue.
    #[expect(clippy::new_without_default, reason = "it stands in statics")]
    pub const fn new() -> Queue<T, Role> {
        Queue {
            first: None,
            last: ptr::null(),
            role: PhantomData,
        }
    }

    /// The first object.
    pub fn first(&self) -> Option<&KArc<T>> {
        self.first.as_ref()
    }

    /// Appends an object.
    ///
    /// # Panics
    /// If it is in a queue of this role already.
    #[inline]
    pub fn push(&mut self, object: KArc<T>) {
        object.link().claim();
        let end = KArc::as_ptr(&object);
        // SAFETY: the chain keeps the last object alive.
        match unsafe { self.last.as_ref() } {
            // SAFETY: the object is in this queue, and `&mut self` is the only way to its link.
            Some(last) => unsafe { *last.link().next.get() = Some(object) },
            None => self.first = Some(object),
        }
        self.last = end;
    }

    /// Inserts an object before the first one for which `before` returns true, else at the end.
    ///
    /// # Panics
    /// As [`Queue::push`].
    pub fn insert(&mut self, object: KArc<T>, before: impl Fn(&T) -> bool) {
        let (_, place) = self.find(before);
        if place.is_none() {
            return self.push(object);
        }
        object.link().claim();
        // SAFETY: from here on the object is in this queue.
        unsafe { *object.link().next.get() = place.take() };
        *place = Some(object);
    }

    /// The pointer to the first object for which `wanted` returns true, else the one at the end of the chain; and
    /// the object that the pointer is in, null for `self.first`.
    fn find(&mut self, wanted: impl Fn(&T) -> bool) -> (*const T, &mut Option<KArc<T>>) {
        let mut owner = ptr::null();
        let mut place: *mut Option<KArc<T>> = &mut self.first;
        // SAFETY: `place` always belongs to this queue, which `&mut self` borrows exclusively.
        while let Some(object) = unsafe { &*place } {
            if wanted(object) {
                break;
            }
            owner = KArc::as_ptr(object);
            place = object.link().next.get();
        }
        // SAFETY: as above, and `self` is borrowed for as long as the result.
        (owner, unsafe { &mut *place })
    }

    /// Removes the first object.
    #[inline]
    pub fn pop(&mut self) -> Option<KArc<T>> {
        let object = self.first.take()?;
        // SAFETY: the object is in this queue, and `&mut self` is the only way to its link.
        self.first = unsafe { (*object.link().next.get()).take() };
        if self.first.is_none() {
            self.last = ptr::null();
        }
        object.link().release();
        Some(object)
    }

    /// Removes this object if it is in the queue. Walks the queue.
    pub fn remove(&mut self, object: &T) {
        let (owner, place) = self.find(|other| ptr::eq(other, object));
        let Some(found) = place.take() else { return };
        // SAFETY: the object was in this queue, and still is claimed by it.
        *place = unsafe { (*found.link().next.get()).take() };
        if place.is_none() {
            self.last = owner;
        }
        found.link().release();
    }
}

impl<T: Queued<Role>, Role> Drop for Queue<T, Role> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
