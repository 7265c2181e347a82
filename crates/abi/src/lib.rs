#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod call;
mod errno;
mod event;
mod file;
mod info;
mod limits;
mod memory;
mod process;
mod sys;
mod uses;

pub use call::{Arguments, UserSpan};
pub use errno::Errno;
pub use event::Event;
pub use file::{Dirent, FileType, OpenFlags, Stat};
pub use info::{EVENT_SLOTS, MemInfo, MemInfoFlags, SLAB_CLASSES, SlabInfo};
pub use limits::*;
pub use memory::{Advice, MapFlags, Prot, RemapFlags};
pub use process::{ProcInfo, ProcInfoFlags, ProcState, RegionInfo, RegionUse, TableEntry};
pub use sys::Sys;
pub use uses::Use;
