//! What a process holds from the test calls `kmalloc` and `kfree`.
//!
//! A process can free only what it got and still has; the rest is freed when it ends.

use crate::mm::heap;
use abi::{Errno, KMALLOC_MAX, PAGE_SIZE};
use core::ptr::NonNull;
use kmalloc::KVec;

/// Addresses of kmalloc objects, in order.
pub struct TestObjects {
    addresses: KVec<usize>,
    /// Bytes asked for in all objects ever, less those of the objects given back, on average.
    bytes: usize,
}

impl TestObjects {
    /// None.
    pub const fn new() -> TestObjects {
        TestObjects {
            addresses: KVec::new(),
            bytes: 0,
        }
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
        self.addresses.try_reserve(1)?;
        let object = heap::kmalloc(bytes).ok_or(Errno::NoMemory)?;
        let address = object.as_ptr() as usize;
        match self.addresses.binary_search(&address) {
            Err(position) if self.addresses.try_insert(position, address).is_ok() => {
                self.bytes += bytes;
                Ok(address)
            }
            _ => {
                heap::kfree(object);
                Err(Errno::NoMemory)
            }
        }
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
        let position = self
            .addresses
            .binary_search(&address)
            .map_err(|_| Errno::Invalid)?;
        self.bytes -= self.bytes / self.addresses.len().max(1);
        self.addresses.remove(position);
        release(address);
        if self.addresses.is_empty() {
            self.addresses = KVec::new();
        }
        Ok(())
    }
}

fn release(address: usize) {
    if let Some(object) = NonNull::new(address as *mut u8) {
        heap::kfree(object);
    }
}

impl Drop for TestObjects {
    fn drop(&mut self) {
        for &address in self.addresses.iter() {
            release(address);
        }
    }
}
