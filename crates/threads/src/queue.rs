//! First-in first-out queues, linked through what is queued, so that queueing needs no memory.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use fallible::KArc;

/// What can be in a queue of this role. An object can be in one queue of each role.
///
/// # Safety
/// Each object has a link of its own for the role, which it lends to no other object or role, and always
/// gives the same.
pub unsafe trait Queued<Role>: Sized {
    /// The object's link.
    fn link(&self) -> &Link<Self>;
}

// A word: of a byte the processor has no exchange, and what takes its place is longer.
const NO: u32 = 0;
const YES: u32 = 1;

/// The part of an object that a queue uses.
pub struct Link<T> {
    /// Whether a queue has the object: [`YES`] or [`NO`]. That queue alone uses `next`.
    queued: AtomicU32,
    next: UnsafeCell<Option<KArc<T>>>,
}

// SAFETY: `next` is used only by the queue that has the object, through `&mut Queue`; `queued` hands it
// from one queue to the next.
unsafe impl<T: Send + Sync> Sync for Link<T> {}

impl<T> Link<T> {
    /// In no queue.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub const fn new() -> Link<T> {
        Link {
            queued: AtomicU32::new(NO),
            next: UnsafeCell::new(None),
        }
    }

    /// True while a queue has the object.
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire) != NO
    }

    /// A queue takes the object.
    fn claim(&self) {
        let before = self.queued.swap(YES, Ordering::Acquire);
        assert!(before == NO, "in a queue already");
    }

    /// The queue has let go of the object, and does not use `next` any more.
    fn release(&self) {
        self.queued.store(NO, Ordering::Release);
    }
}

/// A queue.
pub struct Queue<T: Queued<Role>, Role> {
    first: Option<KArc<T>>,
    /// The object at the end; null if there is none.
    last: *const T,
    role: PhantomData<fn(Role)>,
}

// SAFETY: `last` points at an object that the chain from `first` keeps alive and that goes with it.
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

    /// The object that comes out next.
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

    /// Puts an object before the first one for which `before` holds, at the end if there is none.
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

    /// Where the chain leads to the first object for which `wanted` holds, or where it ends; and the
    /// object that this place belongs to, null for `first`.
    fn find(&mut self, wanted: impl Fn(&T) -> bool) -> (*const T, &mut Option<KArc<T>>) {
        let mut owner = ptr::null();
        let mut place: *mut Option<KArc<T>> = &mut self.first;
        // SAFETY: `place` is always this queue's, and `&mut self` the only way to it.
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

    /// Takes the first object out.
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

    /// Takes this object out, if it is in the queue; costs a walk.
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
