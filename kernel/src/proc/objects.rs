//! What a process holds from the test calls `kmalloc` and `kfree`.
//!
//! A process can free only what it got and still has; the rest is freed when it ends.

use crate::mm::heap;
use abi::{Errno, KMALLOC_MAX, PAGE_SIZE};
use core::ptr::NonNull;
use fallible::KVec;

/// An object of kmalloc's, which goes back when dropped.
struct Object(NonNull<u8>);

// SAFETY: it is memory that nobody else has.
unsafe impl Send for Object {}

impl Object {
    fn address(&self) -> usize {
        self.0.addr().get()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the kernel never uses the memory, and the program cannot.
        unsafe { heap::kfree(self.0) };
    }
}

/// What a process holds.
pub struct TestObjects {
    /// In the order of their addresses.
    objects: KVec<Object>,
    /// Bytes asked for in all objects ever, less those of the objects given back, on average.
    bytes: usize,
}

impl TestObjects {
    /// None.
    pub const fn new() -> TestObjects {
        TestObjects {
            objects: KVec::new(),
            bytes: 0,
        }
    }

    fn position(&self, address: usize) -> Result<usize, usize> {
        self.objects.binary_search_by_key(&address, Object::address)
    }

    /// Gets an object of `bytes` bytes; 0 bytes give address 0, which is no object.
    ///
    /// # Panics
    /// If more than [`KMALLOC_MAX`] bytes are asked: that is what kmalloc does.
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

    /// Pages that the objects take, roughly: their sizes are not kept one by one.
    pub fn pages(&self) -> usize {
        self.bytes / PAGE_SIZE
    }

    /// Frees one of the objects; address 0 is freed by doing nothing.
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
