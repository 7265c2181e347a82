//! Registers of devices.

use super::kernel_space::map_device;
use crate::platform::Registers;
use fallible::AllocError;
use zerocopy::{FromBytes, IntoBytes};

/// A device's registers, mapped for ever.
#[derive(Clone, Copy)]
pub struct Window {
    base: usize,
    size: usize,
}

impl Window {
    /// Maps the registers that the device tree names.
    pub fn map(registers: &Registers) -> Result<Window, AllocError> {
        Ok(Window {
            base: map_device(registers.base(), registers.size())?,
            size: registers.size() as usize,
        })
    }

    /// Where the first one is.
    pub fn start(&self) -> usize {
        self.base
    }

    /// Bytes.
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

    /// Reads the register at this distance from the first.
    pub fn read<T: FromBytes>(&self, offset: usize) -> T {
        // SAFETY: an aligned place in the window, which is mapped and is no memory of anybody's.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Writes to a register.
    pub fn write<T: IntoBytes>(&self, offset: usize, value: T) {
        // SAFETY: as in `read`.
        unsafe { self.place::<T>(offset).write_volatile(value) };
    }
}
