//! Why an object cannot be freed.

use core::fmt;

/// A pointer was freed that is no object in use, or, with the feature `debug`, an object of which
/// more than its bytes was written to. Nothing was changed. It is a bug of the caller, or of whoever
/// wrote; a kernel will want to stop with this text.
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
    /// Memory that is not the object allocator's.
    Foreign,
    /// An object that is free already.
    Free {
        /// Its bytes.
        size: u16,
    },
    /// The middle of an object.
    Inside {
        /// Bytes from its start.
        offset: u16,
        /// Its bytes.
        size: u16,
    },
    /// What is left over in a page of objects, mostly behind the last one.
    Gap {
        /// Bytes of the objects in that page.
        size: u16,
    },
    /// In a page of slab descriptors.
    Descriptors,
    /// An object in use, behind which was written. Only with the feature `debug`.
    Overrun {
        /// The first byte found changed, from the object's start.
        offset: u16,
        /// The bytes that were asked for; where the record of that is what was changed, those that
        /// the class has room for.
        size: u16,
        /// Bytes of its class, with what is behind the object.
        class: u16,
    },
    /// An object in use, in front of which was written. Only with the feature `debug`.
    Underrun {
        /// How far in front of the object's start the nearest byte is that was changed.
        before: u16,
        /// Bytes of its class, with what is behind the object.
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
