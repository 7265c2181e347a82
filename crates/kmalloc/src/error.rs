//! Errors of `free`.

use core::fmt;

/// A free of a pointer that is not a live object, or, with the feature `debug`, of an object with a damaged red zone.
/// Nothing was changed. It is a bug in the program; a kernel should panic with this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFree {
    /// The pointer's address.
    pub address: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why an object cannot be freed. Small, so that the result of freeing fits into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not memory of the object allocator.
    Foreign,
    /// A double free.
    Free {
        /// Bytes of the object.
        size: u16,
    },
    /// The middle of an object.
    Inside {
        /// Offset from its start.
        offset: u16,
        /// Bytes of the object.
        size: u16,
    },
    /// The unused part of a slab, mostly after its last object.
    Gap {
        /// Bytes of the objects in that page.
        size: u16,
    },
    /// In a page of slab descriptors.
    Descriptors,
    /// A live object that was overrun. Only with the feature `debug`.
    Overrun {
        /// Offset of the first changed byte from the object's start.
        offset: u16,
        /// The requested size; if the record of it is damaged, the usable bytes of the class.
        size: u16,
        /// Bytes of its class, including red zone.
        class: u16,
    },
    /// A live object that was underrun. Only with the feature `debug`.
    Underrun {
        /// Distance of the nearest changed byte before the object's start.
        before: u16,
        /// Bytes of its class, including red zone.
        class: u16,
    },
}

impl fmt::Display for WrongFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrong free of {:#x}: ", self.address)?;
        match self.reason {
            Reason::Foreign => f.write_str("not a kmalloc object"),
            Reason::Free { size } => write!(f, "the object of {size} bytes is free already"),
            Reason::Inside { offset, size } => {
                write!(f, "misaligned, byte {offset} of an object of {size}")
            }
            Reason::Gap { size } => write!(f, "in none of the objects of {size} bytes in its page"),
            Reason::Descriptors => f.write_str("in a page of slab descriptors"),
            Reason::Overrun {
                offset,
                size,
                class,
            } => write!(
                f,
                "byte {offset} of an object of {size}, behind its end, was written to (class of {class})"
            ),
            Reason::Underrun { before, class } => write!(
                f,
                "{before} bytes in front of the object was written to (class of {class})"
            ),
        }
    }
}

impl core::error::Error for WrongFree {}
