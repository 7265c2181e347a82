#![doc = include_str!("../README.md")]
//!
//! # The rules, and where they live
//!
//! - Memory comes when it is touched. `map_*`, [`AddressSpace::mmap`] and [`AddressSpace::sbrk`]
//!   make or stretch regions and allocate no page; [`AddressSpace::fault`] fills them. A page of a
//!   mapping that was only read is the zero page that all share; one of the heap, the data or the
//!   stack has a frame from the first access on. (`fault.rs`)
//! - Pages are shared as long as nobody writes: fork shares what is private, a program file's
//!   pages are those of the page cache, and the last owner of a page writes without a copy.
//!   (`fork.rs`, `fault.rs`)
//! - What is not private anonymous memory is a window of a memory object. (`object.rs`, `window.rs`)
//! - So are tables: after a fork, parent and child have tables with many private pages together,
//!   until one of them changes something there; ending or replacing a program lets go of them
//!   without a look inside. (`table/share.rs`, `table/own.rs`) The idea is On-demand-fork's (Zhao,
//!   Gong, Fonseca; EuroSys 2021).
//! - 2 MiB that a program asks to have filled become one large page if a block is free, and 4 KiB
//!   pages otherwise. 2 MiB that it fills by touching every page become one too, without a copy,
//!   if they were begun at their start while a block was free: the pages get its frames. A large
//!   page holds nothing that was not touched or asked for, and is parted when something happens to
//!   a part of it. (`fault.rs`, `reserve.rs`, `table/large.rs`)
//! - A space knows how many frames it may come to have, and has the machine promise them before its
//!   regions grow. (`commit.rs`)
//! - Reserve, then commit: whatever can fail comes before the first change, so that an error leaves
//!   the space as it was.
//! - Rights follow at once: what `mprotect` takes away is gone from the table, and what it gives
//!   comes with the next fault where somebody else may have the frame. A page without any right
//!   keeps its frame in an entry that is not valid. (`protect.rs`)
//! - Nothing stays behind: pages, and tables without entries, go back as soon as their region goes.
//!   (`unmap.rs`, `table/clear.rs`)
//! - A change of entries reaches every TLB before anything is freed. (`table.rs`, `asid.rs`)
//!
//! Every present entry of the table lies inside a region; a range without regions has neither
//! entries nor tables. That is why tearing down walks regions and never searches a table.
#![no_std]
#![deny(unsafe_code)]

mod access;
mod account;
mod advise;
pub mod asid;
mod commit;
mod fault;
mod flush;
mod fork;
mod heap;
mod look;
mod machine;
mod map;
pub mod object;
mod populate;
mod promise;
mod protect;
mod region;
mod remap;
mod reservations;
mod reserve;
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
pub use window::{Files, Mappable, Part};

/// Why an operation on an address space failed. It has changed nothing then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No frame, no record, or no room among the addresses.
    NoMemory,
    /// The arguments make no sense together, or name what the operation may not touch.
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
