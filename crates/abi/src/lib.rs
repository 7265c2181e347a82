//! What crosses the border between the kernel and user programs: call numbers, flags, limits and
//! the layout of every structure that is copied over it.
//!
//! The kernel, the Rust runtime (`user/ulib`) and the C headers all take their values from here.
//! Numbers 1 to 21 and their structures are those of xv6-riscv; the rest is Pagoda's own.
#![no_std]
#![forbid(unsafe_code)]

mod errno;
mod event;
mod file;
mod info;
mod limits;
mod memory;
mod process;
mod sys;

pub use errno::Errno;
pub use event::Event;
pub use file::{Dirent, FileType, OpenFlags, Stat};
pub use info::{EVENT_SLOTS, MemInfo, MemInfoFlags, SLAB_CLASSES, SlabInfo};
pub use limits::*;
pub use memory::{Advice, MapFlags, Prot, RemapFlags};
pub use process::{ProcInfo, ProcInfoFlags, ProcState, RegionInfo, RegionUse, TableEntry};
pub use sys::Sys;
