//! Protection and flags of memory mappings; the values are POSIX's on Linux.

use bitflags::bitflags;

bitflags! {
    /// Protection of a mapping.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Prot: u32 {
        /// Load.
        const READ = 1;
        /// Store. Implies [`Prot::READ`], as in the hardware.
        const WRITE = 2;
        /// Fetch instructions.
        const EXEC = 4;
    }
}

bitflags! {
    /// Flags of `mremap`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RemapFlags: u32 {
        /// Move the mapping if it cannot grow in place.
        const MAYMOVE = 1;
    }
}

/// Advice of `madvise`, with Linux's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Advice {
    /// The pages will be used soon: populate them.
    WillNeed = 3,
    /// The pages are no longer needed: free them.
    DontNeed = 4,
    /// The contents are no longer needed, unless the pages are written again.
    Free = 8,
}

impl Advice {
    /// The advice with this number.
    pub const fn from_number(number: u32) -> Option<Advice> {
        match number {
            3 => Some(Advice::WillNeed),
            4 => Some(Advice::DontNeed),
            8 => Some(Advice::Free),
            _ => None,
        }
    }
}

bitflags! {
    /// Flags of `mmap`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MapFlags: u32 {
        /// Writes are visible to all sharers.
        const SHARED = 0x01;
        /// Writes are private (copy on write).
        const PRIVATE = 0x02;
        /// Map exactly at the hint, replacing what is there.
        const FIXED = 0x10;
        /// Zeroed memory, no file.
        const ANONYMOUS = 0x20;
        /// Map below 2 GiB, so that a program written for 32 bits can keep the address in an `int`.
        const LOW = 0x40;
        /// Do not reserve memory. Without strict accounting every mapping is like that.
        const NORESERVE = 0x4000;
        /// Populate the pages at once, as far as memory allows.
        const POPULATE = 0x8000;
        /// Map exactly at the hint; fail if anything is mapped there.
        const FIXED_NOREPLACE = 0x10_0000;
    }
}
