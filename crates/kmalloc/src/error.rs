//! Why a call failed.

use core::fmt;

/// There is no memory for it. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for AllocError {}

/// A pointer was freed that is no object in use. Nothing was changed. It is a bug of the caller; a
/// kernel will want to stop with this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFree {
    /// The pointer's address.
    pub address: usize,
    /// What is there.
    pub place: Place,
}

/// What a wrong pointer points to. Small, so that the result of freeing fits into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
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
    /// What is left over behind the last object of a page.
    Gap {
        /// Bytes of the objects in that page.
        size: u16,
    },
    /// The allocator's own records.
    Records,
}

impl fmt::Display for WrongFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrong free of {:#x}: ", self.address)?;
        match self.place {
            Place::Foreign => f.write_str("not a kmalloc object"),
            Place::Free { size } => write!(f, "the object of {size} bytes is free already"),
            Place::Inside { offset, size } => {
                write!(f, "misaligned, byte {offset} of an object of {size}")
            }
            Place::Gap { size } => write!(f, "behind the last object of {size} bytes in its page"),
            Place::Records => f.write_str("a page of kmalloc's own records"),
        }
    }
}

impl core::error::Error for WrongFree {}

#[cfg(feature = "abi")]
impl From<AllocError> for abi::Errno {
    fn from(_: AllocError) -> abi::Errno {
        abi::Errno::NoMemory
    }
}
