//! `oomtest [-q] [-l] [NAME…]`: takes all memory in every way a program can, and looks who is left.
//!
//! With strict accounting (boot argument `commit=strict`) calls fail with -1 and nobody dies. Otherwise
//! calls fail with -1; where a page that was promised cannot be given, the process that holds most
//! dies with a line of the kernel's that names it. Whoever holds little goes on, and when the hogs are
//! gone, every page is back. `oomtest; echo alive` shows that the shell is still there.
#![no_std]
#![no_main]

mod bombs;
mod hogs;
mod strict;
mod witness;

use harness::{is_strict, suite};
use ulib::main;

main!(main);

fn main() -> i32 {
    match is_strict() {
        true => suite(&[strict::TESTS, bombs::TESTS]),
        false => suite(&[hogs::TESTS, bombs::TESTS]),
    }
}
