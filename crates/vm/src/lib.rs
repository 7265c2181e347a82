#![doc = include_str!("../README.md")]
//!
//! # The rules, and where they live
//!
//! - Demand allocation. `map_*`, [`AddressSpace::mmap`] and [`AddressSpace::sbrk`] make or extend regions and
//!   allocate no page; [`AddressSpace::fault`] does. A page of a mapping that was only read is the zero page;
//!   one of the heap, the data or the stack has a frame from the first access on. (`fault.rs`)
//! - Copy on write. Fork shares private pages, a program file's pages are those of the page cache, and the last
//!   user of a page writes without a copy. (`fork.rs`, `fault.rs`)
//! - A region that is not private anonymous is a window of a memory object. (`object.rs`, `window.rs`)
//! - Shared page tables. After a fork, parent and child share leaf tables with many private pages until one of
//!   them changes something there; exit and exec drop a shared table without a look inside.
//!   (`table/copy_range.rs`, `table/unshare.rs`) The idea is On-demand-fork's (Zhao, Gong, Fonseca; EuroSys
//!   2021).
//! - Large pages. `MAP_POPULATE` of 2 MiB maps a large page if a block is free. 2 MiB whose pages are touched
//!   from the first on become one too, without a copy, if a block was free at the start: it is reserved, and
//!   the pages get its frames. A large page holds nothing that was not touched or asked for, and is split when
//!   a part of it changes. (`page_alloc.rs`, `reservations.rs`, `table/large.rs`)
//! - Commit accounting. Before its regions grow, a space commits the frames that it may come to need.
//!   (`commit.rs`)
//! - Reserve, then commit: whatever can fail comes before the first change, so that an error leaves
//!   the space as it was.
//! - `mprotect` removes permissions from the entries and TLBs at once; the permissions that it adds come with
//!   the next fault if the frame may be shared. A page with no permission keeps its frame in an invalid entry.
//!   (`protect.rs`)
//! - Pages, and tables that become empty, are freed with their region. (`unmap.rs`, `table/clear.rs`)
//! - Every TLB is flushed before a frame is freed. (`table.rs`, `asid.rs`)
//!
//! Every entry in use lies inside a region; a range without regions has neither entries nor tables. So teardown
//! walks regions and never searches a table.
#![no_std]
#![deny(unsafe_code)]

mod access;
mod account;
mod advise;
pub mod asid;
mod commit;
mod commitment;
mod fault;
mod flush;
mod fork;
mod heap;
mod look;
mod machine;
mod map;
pub mod object;
mod page_alloc;
mod populate;
mod protect;
mod region;
mod remap;
mod reservations;
mod sbrk;
mod space;
mod table;
mod tree;
mod unmap;
mod window;

pub use access::Access;
pub use fault::{Fault, FaultError};
pub use flush::Flush;
pub use look::Usage;
pub use machine::{Frame, Machine};
pub use object::Object;
pub use region::{Region, RegionKind};
pub use reservations::{RESERVATIONS, Reservation, Reservations};
pub use space::{AddressSpace, Stats};
pub use table::PageTable;
pub use tree::Regions;
pub use window::{Files, Mappable, ObjectRange};

/// Why an operation on an address space failed. The space is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No frame, no region record, no free address range, or beyond the commit limit.
    NoMemory,
    /// Invalid arguments, or memory that the operation is not for.
    Invalid,
    /// Nothing is mapped there.
    NotMapped,
    /// Something is mapped there already.
    Occupied,
}

impl From<Error> for abi::Errno {
    fn from(error: Error) -> abi::Errno {
        match error {
            Error::NoMemory => abi::Errno::NoMemory,
            Error::Invalid | Error::NotMapped => abi::Errno::Invalid,
            Error::Occupied => abi::Errno::Exists,
        }
    }
}

impl From<fallible::AllocError> for Error {
    fn from(_: fallible::AllocError) -> Error {
        Error::NoMemory
    }
}
