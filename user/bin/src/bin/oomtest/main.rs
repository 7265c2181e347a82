//! `oomtest [-q] [-l] [NAME…]`: takes all memory in every way a program can, and looks who is left.
//!
//! Calls fail with -1; where a page that was promised cannot be given, the process that holds most
//! dies with a line of the kernel's that names it. Whoever holds little goes on, and when the hogs are
//! gone, every page is back. `oomtest; echo alive` shows that the shell is still there.
#![no_std]
#![no_main]

mod bombs;
mod hogs;
mod witness;

use programs::harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    suite(&[hogs::TESTS, bombs::TESTS])
}
