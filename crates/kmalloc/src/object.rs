//! Free objects outside their slab: in a magazine, or on the way there or back.

use crate::descriptor::Descriptor;
use crate::stack::Stack;
use core::ptr::NonNull;

/// Most objects moved between a magazine and a slab cache at once.
pub(crate) const BATCH: usize = 8;

/// A free object that is outside its slab. At most one `Object` exists for it; copies are made only to move it
/// between arrays.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    address: NonNull<u8>,
    descriptor: NonNull<Descriptor>,
}

// SAFETY: it owns the object's memory, and all fields of a descriptor are atomic.
unsafe impl Send for Object {}

impl Object {
    /// # Safety
    /// `descriptor` has the bits of the object at `address`. The object is not live, and its free bit stays clear
    /// until the slab cache gets it back.
    #[inline(always)]
    pub(crate) unsafe fn new(address: NonNull<u8>, descriptor: &Descriptor) -> Object {
        Object {
            address,
            descriptor: NonNull::from(descriptor),
        }
    }

    /// The object's first byte.
    #[inline(always)]
    pub(crate) fn address(self) -> NonNull<u8> {
        self.address
    }

    /// The descriptor of its slab with the object's bits.
    #[inline(always)]
    pub(crate) fn descriptor(&self) -> &Descriptor {
        // SAFETY: a slab keeps its descriptors while one of its objects is outside it.
        unsafe { self.descriptor.as_ref() }
    }

    /// Marks the object as live; returns its address.
    #[inline(always)]
    pub(crate) fn into_live(self) -> NonNull<u8> {
        let fresh = self.descriptor().set_live(self.address.addr().get());
        debug_assert!(fresh, "an object in use was in a magazine");
        self.address
    }
}

/// Some objects of one class.
pub(crate) type Objects = Stack<Object, BATCH>;
