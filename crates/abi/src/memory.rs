//! Protection and flags of memory mappings; the values are POSIX's on Linux.

use bitflags::bitflags;

bitflags! {
    /// What a program may do with a mapping.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Prot: u32 {
        /// Load.
        const READ = 1;
        /// Store. Pages that can be written can be read too, as the hardware has it.
        const WRITE = 2;
        /// Fetch instructions.
        const EXEC = 4;
    }
}

bitflags! {
    /// What `mremap` may do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RemapFlags: u32 {
        /// Move the mapping where it cannot grow in its place.
        const MAYMOVE = 1;
    }
}

/// What `madvise` can say of pages; the values are Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Advice {
    /// They will be touched soon: fill them.
    WillNeed = 3,
    /// They are not needed any more: give them back.
    DontNeed = 4,
    /// Nor are their contents, unless they are written again.
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
    /// What kind of mapping `mmap` makes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MapFlags: u32 {
        /// Writes are seen by all who share the mapping.
        const SHARED = 0x01;
        /// Writes are the writer's own.
        const PRIVATE = 0x02;
        /// At this very address.
        const FIXED = 0x10;
        /// Zeroed memory, no file behind it.
        const ANONYMOUS = 0x20;
        /// Below 2 GiB, so that a program written for 32 bits can have the address in an `int`.
        const LOW = 0x40;
        /// Promise it even where memory may not be there. Every promise is like that here.
        const NORESERVE = 0x4000;
        /// Fill the pages at once, as far as memory goes.
        const POPULATE = 0x8000;
        /// At this very address, and not at all where something is mapped already.
        const FIXED_NOREPLACE = 0x10_0000;
    }
}
