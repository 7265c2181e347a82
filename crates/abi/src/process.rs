//! Information about processes and their memory.

use crate::PAGE_SIZE;
use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A process, with sizes in pages. New fields are appended with a new [`ProcInfo::VERSION`];
/// `procinfo` copies as much as the caller has room for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ProcInfo {
    /// [`ProcInfo::VERSION`] of the kernel.
    pub version: u64,
    /// Process ID; 0 or below for a kernel thread.
    pub pid: i32,
    /// Process ID of the parent; 0 for none.
    pub parent: i32,
    /// A [`ProcState`].
    pub state: u32,
    /// Always zero.
    pub reserved: u32,
    /// Last component of the program's path, padded with zeros.
    pub name: [u8; 16],
    /// Regions.
    pub regions: u64,
    /// Pages in all regions, touched or not.
    pub size: u64,
    /// Pages that have a frame.
    pub resident: u64,
    /// Resident pages with other users: another process or the page cache.
    pub shared: u64,
    /// Pages that map the shared zero page; not resident.
    pub zero: u64,
    /// Page-table pages.
    pub page_tables: u64,
    /// Approximate pages of its objects from the test call `kmalloc`.
    pub objects: u64,
    // Since version 2:
    /// Committed pages, touched or not, including their page tables. Shared memory and file pages
    /// are charged to no process.
    pub committed: u64,
}

impl ProcInfo {
    /// The layout described here.
    pub const VERSION: u64 = 2;
}

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcState {
    /// Runnable.
    Ready = 1,
    /// Running on a hart.
    Running = 2,
    /// Sleeping; a kill wakes it.
    Sleeping = 3,
    /// In an uninterruptible sleep: for a lock or the disk.
    Waiting = 4,
    /// A zombie: exited, not yet reaped.
    Ended = 5,
}

impl ProcState {
    /// The state with this number.
    pub const fn from_number(number: u32) -> Option<ProcState> {
        match number {
            1 => Some(ProcState::Ready),
            2 => Some(ProcState::Running),
            3 => Some(ProcState::Sleeping),
            4 => Some(ProcState::Waiting),
            5 => Some(ProcState::Ended),
            _ => None,
        }
    }

    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            ProcState::Ready => "ready",
            ProcState::Running => "run",
            ProcState::Sleeping => "sleep",
            ProcState::Waiting => "wait",
            ProcState::Ended => "zombie",
        }
    }
}

bitflags! {
    /// Flags of `procinfo`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct ProcInfoFlags: u32 {
        /// The process with the lowest ID not below the given one: to iterate over all.
        const NEXT = 1;
        /// The kernel thread with the given ID: the first has 0, the next one -1, and so on.
        const KERNEL = 2;
    }
}

/// A region of an address space, with sizes in pages unless noted. New fields are appended.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RegionInfo {
    /// Address of the first byte.
    pub start: u64,
    /// Address after the last byte.
    pub end: u64,
    /// Pages that have a frame.
    pub resident: u64,
    /// Resident pages with other users: another process or the page cache.
    pub shared: u64,
    /// Pages that map the shared zero page; not resident.
    pub zero: u64,
    /// Resident pages in large (2 MiB) pages.
    pub large: u64,
    /// Offset in the file that the region maps.
    pub offset: u64,
    /// Inode of the file that the region maps; 0 for none.
    pub inode: u32,
    /// Protection: bits of [`Prot`](crate::Prot).
    pub prot: u32,
    /// A [`RegionUse`].
    pub kind: u32,
    /// Always zero.
    pub reserved: u32,
}

/// The use of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RegionUse {
    /// A read-only segment of the program.
    Text = 1,
    /// A writable segment of the program, or bss.
    Data = 2,
    /// Below the break.
    Heap = 3,
    /// The stack, or with no access the guard below it.
    Stack = 4,
    /// A private anonymous mapping.
    Private = 5,
    /// A shared anonymous mapping.
    Shared = 6,
    /// A file mapping.
    File = 7,
}

impl RegionUse {
    /// The use with this number.
    pub const fn from_number(number: u32) -> Option<RegionUse> {
        match number {
            1 => Some(RegionUse::Text),
            2 => Some(RegionUse::Data),
            3 => Some(RegionUse::Heap),
            4 => Some(RegionUse::Stack),
            5 => Some(RegionUse::Private),
            6 => Some(RegionUse::Shared),
            7 => Some(RegionUse::File),
            _ => None,
        }
    }

    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            RegionUse::Text => "text",
            RegionUse::Data => "data",
            RegionUse::Heap => "heap",
            RegionUse::Stack => "stack",
            RegionUse::Private => "private",
            RegionUse::Shared => "shared",
            RegionUse::File => "file",
        }
    }
}

/// A page-table entry in use. Listings are in order of address, each entry before those of the
/// table it points to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TableEntry {
    /// The first address that the entry maps, plus its level.
    pub place: u64,
    /// The raw entry (RISC-V privileged specification, Sv39); at [`TableEntry::ROOT`], one that
    /// would point to the root table.
    pub bits: u64,
}

impl TableEntry {
    /// Level of the pseudo-entry that points to the root table.
    pub const ROOT: u32 = 3;
    /// The place before the first entry.
    pub const START: u64 = 4;

    /// The first address that the entry maps.
    pub const fn address(self) -> u64 {
        self.place & !(PAGE_SIZE as u64 - 1)
    }

    /// 2 in the root table, whose entries map 1 GiB each, then 1, then 0 for pages;
    /// [`TableEntry::ROOT`] for the root itself.
    pub const fn level(self) -> u32 {
        self.place as u32 & 7
    }

    /// The index in its table.
    pub const fn index(self) -> u32 {
        match self.level() {
            level @ 0..=2 => (self.place >> (12 + 9 * level)) as u32 & 511,
            _ => 0,
        }
    }

    /// The physical address of the page or table.
    pub const fn physical(self) -> u64 {
        (self.bits >> 10 & ((1 << 44) - 1)) << 12
    }
}
