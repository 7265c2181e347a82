//! Objects allocated by the test call `kmalloc`.
//!
//! A process can free only its own objects; the rest is freed when it exits.

use crate::mm::heap;
use abi::{Errno, KMALLOC_MAX, PAGE_SIZE};
use core::ptr::NonNull;
use fallible::KVec;

/// A kmalloc object; dropping it frees it.
struct Object(NonNull<u8>);

// SAFETY: it owns its memory.
unsafe impl Send for Object {}

impl Object {
    fn address(&self) -> usize {
        self.0.addr().get()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the kernel never uses the memory, and the program cannot access it.
        unsafe { heap::kfree(self.0) };
    }
}

/// The objects of a process.
pub struct TestObjects {
    /// Sorted by address.
    objects: KVec<Object>,
    /// Bytes allocated, approximately: a free subtracts the average size.
    bytes: usize,
}

impl TestObjects {
    /// No objects.
    pub const fn new() -> TestObjects {
        TestObjects {
            objects: KVec::new(),
            bytes: 0,
        }
    }

    fn position(&self, address: usize) -> Result<usize, usize> {
        self.objects.binary_search_by_key(&address, Object::address)
    }

    /// Allocates an object of `bytes` bytes; returns its address, or 0 for 0 bytes.
    ///
    /// # Panics
    /// If `bytes` is more than [`KMALLOC_MAX`], as kmalloc does.
    pub fn allocate(&mut self, bytes: usize) -> Result<usize, Errno> {
        assert!(
            bytes <= KMALLOC_MAX,
            "kmalloc: {bytes} bytes asked, at most {KMALLOC_MAX}"
        );
        if bytes == 0 {
            return Ok(0);
        }
        self.objects.try_reserve(1)?;
        let object = Object(heap::kmalloc(bytes).ok_or(Errno::NoMemory)?);
        let address = object.address();
        let position = self.position(address).err().ok_or(Errno::Invalid)?;
        self.objects.try_insert(position, object)?;
        self.bytes += bytes;
        Ok(address)
    }

    /// Pages of the objects, approximately.
    pub fn pages(&self) -> usize {
        self.bytes / PAGE_SIZE
    }

    /// Frees an object; does nothing for address 0.
    ///
    /// # Errors
    /// `Invalid` if the process has no object at this address.
    pub fn free(&mut self, address: usize) -> Result<(), Errno> {
        if address == 0 {
            return Ok(());
        }
        let position = self.position(address).map_err(|_| Errno::Invalid)?;
        self.bytes -= self.bytes / self.objects.len().max(1);
        self.objects.remove(position);
        if self.objects.is_empty() {
            self.objects = KVec::new();
        }
        Ok(())
    }
}
