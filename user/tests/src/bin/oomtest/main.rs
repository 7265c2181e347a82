//! `oomtest [-q] [-l] [NAME…]`: out of memory, in every way that a program can cause it.
//!
//! With strict accounting (boot argument `commit=strict`) calls fail with -1 and no process is
//! killed. Otherwise calls fail with -1, and when committed memory cannot be allocated, the kernel
//! kills the largest process and names it on the console. Small processes go on, and afterwards
//! every page is free again.
#![no_std]
#![no_main]

mod bombs;
mod giving_back;
mod hogs;
mod strict;
mod witness;

use harness::{is_strict, suite};
use ulib::main;

main!(main);

fn main() -> i32 {
    match is_strict() {
        true => suite(&[strict::TESTS, bombs::TESTS]),
        false => suite(&[hogs::TESTS, giving_back::TESTS, bombs::TESTS]),
    }
}
