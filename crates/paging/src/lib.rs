#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod cursor;
mod entry;
mod level;
mod slot;
mod sv39;

pub use cursor::Cursor;
pub use entry::{Entry, Leaf};
pub use level::{Level, PAGE, SUPERPAGE, page_down, page_up};
pub use slot::{Slot, Table, Tables};
pub use sv39::{ADDRESS_BITS, ENTRIES, LEVELS};
