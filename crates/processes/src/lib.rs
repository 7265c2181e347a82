#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod identity;
mod places;
mod table;

pub use identity::Identity;
pub use places::MOST;
pub use table::{INIT, Table};
