//! An object that nobody has, on its way between a magazine and a slab.

use crate::descriptor::Descriptor;
use crate::stack::Stack;
use core::ptr::NonNull;

/// Objects that go between a magazine and a slab cache at once.
pub(crate) const BATCH: usize = 8;

/// A free object that is not in its slab. There is one `Object` for it, which is copied only into the
/// arrays that hold such objects.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    address: NonNull<u8>,
    descriptor: NonNull<Descriptor>,
}

// SAFETY: whoever has it has the object, and a descriptor is made of atomics.
unsafe impl Send for Object {}

impl Object {
    /// # Safety
    /// The object at `address` is one that `descriptor` describes, not live, and not free in its slab
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
        // SAFETY: a slab with an object that is not free in it keeps its descriptors.
        unsafe { self.descriptor.as_ref() }
    }

    /// Hands the object out.
    #[inline(always)]
    pub(crate) fn into_live(self) -> NonNull<u8> {
        let fresh = self.descriptor().set_live(self.address.addr().get());
        debug_assert!(fresh, "an object in use was in a magazine");
        self.address
    }
}

/// Some objects of one class.
pub(crate) type Objects = Stack<Object, BATCH>;
