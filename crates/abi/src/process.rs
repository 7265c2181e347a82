//! What the kernel tells about processes and their memory.

use crate::PAGE_SIZE;
use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One process; sizes in pages. New fields come at the end, with a new [`ProcInfo::VERSION`];
/// `procinfo` copies as much as the caller has room for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ProcInfo {
    /// [`ProcInfo::VERSION`] of the kernel.
    pub version: u64,
    /// Number; 0 or below for a thread of the kernel's own.
    pub pid: i32,
    /// Number of the parent; 0 if it has none.
    pub parent: i32,
    /// A [`ProcState`].
    pub state: u32,
    /// Always zero.
    pub reserved: u32,
    /// Last part of the program's path, padded with zero bytes.
    pub name: [u8; 16],
    /// Regions.
    pub regions: u64,
    /// Pages in all regions, touched or not.
    pub size: u64,
    /// Pages that have a frame.
    pub resident: u64,
    /// Resident pages that somebody else has too: another process, or the file's cache.
    pub shared: u64,
    /// Pages that show the common page of zeroes, which are not resident.
    pub zero: u64,
    /// Pages of page table.
    pub page_tables: u64,
    /// Pages that the process's objects of the test call `kmalloc` take, roughly.
    pub objects: u64,
    // Since version 2:
    /// Pages that it was promised, touched or not, with the page tables for them; memory that several
    /// processes share, and the pages of files, are promised to nobody in particular.
    pub committed: u64,
}

impl ProcInfo {
    /// The layout described here.
    pub const VERSION: u64 = 2;
}

/// What a process does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcState {
    /// It waits for a hart.
    Ready = 1,
    /// A hart runs it.
    Running = 2,
    /// It waits for something, until that comes or it is killed.
    Sleeping = 3,
    /// It waits for something that surely comes: a lock, the disk.
    Waiting = 4,
    /// It has ended, and its parent has not collected it yet.
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

    /// One word for lists.
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
    /// Which process `procinfo` tells about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct ProcInfoFlags: u32 {
        /// The one with the lowest number from the given one on, so that a list is read one by one.
        const NEXT = 1;
        /// The kernel's own thread with the given number: the first has 0, the next one -1, and so on.
        const KERNEL = 2;
    }
}

/// One region of a process's memory; sizes in pages unless said. New fields come at the end.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RegionInfo {
    /// Address of the first byte.
    pub start: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// Pages that have a frame.
    pub resident: u64,
    /// Resident pages that somebody else has too: another process, or the file's cache.
    pub shared: u64,
    /// Pages that show the common page of zeroes, which are not resident.
    pub zero: u64,
    /// Resident pages that lie in pages of 2 MiB.
    pub large: u64,
    /// Of a region that shows a file: which byte of it comes first.
    pub offset: u64,
    /// Of a region that shows a file: its inode's number; 0 for a copy in memory and without a file.
    pub inode: u32,
    /// What the program may do there: bits of [`Prot`](crate::Prot).
    pub prot: u32,
    /// A [`RegionUse`].
    pub kind: u32,
    /// Always zero.
    pub reserved: u32,
}

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RegionUse {
    /// Part of the program's file that it does not write.
    Text = 1,
    /// Part of the program's file that it writes, or zeroed data.
    Data = 2,
    /// Below the break.
    Heap = 3,
    /// The stack; without any right, the guard below it.
    Stack = 4,
    /// From `mmap`, the process's own.
    Private = 5,
    /// From `mmap`, shared with the processes forked from the one that made it.
    Shared = 6,
    /// From `mmap`, with a file behind it.
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

    /// One word for lists.
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

/// One entry of a page table, of those in use. A listing has an entry before those of the table it
/// leads to, and lower addresses before higher ones.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TableEntry {
    /// The first address that the entry is for, plus its level.
    pub place: u64,
    /// The entry as the hardware has it (RISC-V privileged specification, Sv39); at
    /// [`TableEntry::ROOT`], an entry that would lead to the root table.
    pub bits: u64,
}

impl TableEntry {
    /// Level of the record that tells where the root table is.
    pub const ROOT: u32 = 3;
    /// The place before all others.
    pub const START: u64 = 4;

    /// The first address that the entry is for.
    pub const fn address(self) -> u64 {
        self.place & !(PAGE_SIZE as u64 - 1)
    }

    /// 2 in the root table, whose entries are for 1 GiB each, then 1, then 0, for pages;
    /// [`TableEntry::ROOT`] for the root itself.
    pub const fn level(self) -> u32 {
        self.place as u32 & 7
    }

    /// Its number in its table.
    pub const fn index(self) -> u32 {
        match self.level() {
            level @ 0..=2 => (self.place >> (12 + 9 * level)) as u32 & 511,
            _ => 0,
        }
    }

    /// Where the page, or the table it leads to, lies in RAM.
    pub const fn physical(self) -> u64 {
        (self.bits >> 10 & ((1 << 44) - 1)) << 12
    }
}
