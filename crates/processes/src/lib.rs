#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod identity;
mod slots;
mod table;

pub use identity::Identity;
pub use slots::MAX_PROCESSES;
pub use table::{INIT, Table};
