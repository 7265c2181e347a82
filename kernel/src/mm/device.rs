//! Memory-mapped device registers.

use super::kernel_space::map_device;
use crate::platform::Registers;
use fallible::AllocError;
use zerocopy::{FromBytes, IntoBytes};

/// A device's registers. They are never unmapped.
#[derive(Clone, Copy)]
pub struct Mmio {
    base: usize,
    size: usize,
}

impl Mmio {
    /// Maps the registers of a device-tree node.
    pub fn map(registers: &Registers) -> Result<Mmio, AllocError> {
        Ok(Mmio {
            base: map_device(registers.base(), registers.size())?,
            size: registers.size() as usize,
        })
    }

    /// Virtual address of the first register.
    pub fn start(&self) -> usize {
        self.base
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    fn place<T>(&self, offset: usize) -> *mut T {
        let inside = offset
            .checked_add(size_of::<T>())
            .is_some_and(|end| end <= self.size);
        assert!(
            inside && offset.is_multiple_of(align_of::<T>()),
            "no register at {offset:#x}"
        );
        (self.base + offset) as *mut T
    }

    /// Reads the register at a byte offset.
    ///
    /// # Panics
    /// If the offset is out of range or misaligned.
    pub fn read<T: FromBytes>(&self, offset: usize) -> T {
        // SAFETY: an aligned address within the registers, which are mapped and are no RAM.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Writes the register at a byte offset.
    ///
    /// # Panics
    /// As [`Mmio::read`].
    pub fn write<T: IntoBytes>(&self, offset: usize, value: T) {
        // SAFETY: as in `read`.
        unsafe { self.place::<T>(offset).write_volatile(value) };
    }
}
