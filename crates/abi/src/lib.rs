//! What crosses the border between the kernel and user programs: call numbers, flags, limits and
//! the layout of every structure that is copied over it.
//!
//! The kernel, the Rust runtime (`user/ulib`) and the C headers all take their values from here.
//! Numbers 1 to 21 and their structures are those of xv6-riscv; the rest is Pagoda's own.
#![no_std]
#![forbid(unsafe_code)]

mod errno;
mod file;
mod info;
mod limits;
mod memory;
mod sys;

pub use errno::Errno;
pub use file::{Dirent, FileType, OpenFlags, Stat};
pub use info::{MemInfo, MemInfoFlags, SLAB_CLASSES, SlabInfo};
pub use limits::*;
pub use memory::{Advice, MapFlags, Prot, RemapFlags};
pub use sys::Sys;
