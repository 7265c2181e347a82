//! The Rust runtime for programs that run on Pagoda.
//!
//! It follows `std` where it can: `println!`, [`env::args`], [`fs::File`], [`io::Read`],
//! [`process::Command`]. A program is a `no_std`, `no_main` crate that names its first function
//! with [`main!`]; what that function returns becomes the exit status. Heap memory comes from
//! `sbrk`, so everything in `alloc` works. What `std` lacks (`fork`, `pipe`, `sbrk`, memory
//! statistics) is in [`process`], [`mem`] and [`inspect`]; [`sys`] has the raw system calls.
//!
//! A program has one thread; nothing here locks.
#![no_std]

extern crate alloc;

pub use abi;
pub use alloc::{borrow, boxed, collections, format, rc, string, vec};

pub mod env;
pub mod fs;
mod heap;
pub mod inspect;
pub mod io;
pub mod mem;
mod path;
pub mod process;
mod solo;
mod start;
pub mod sys;
pub mod thread;
pub mod time;

pub use path::Path;
pub use start::{Termination, run_main};
