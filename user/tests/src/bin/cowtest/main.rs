//! `cowtest [-q] [-l] [NAME…]`: what a fork shares, and who copies what when somebody writes. The
//! numbers of pages are the kernel's own counts.
#![no_std]
#![no_main]

mod calls;
mod counts;
mod generations;
mod large;
mod pages;
mod sides;

use harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    suite(&[
        sides::TESTS,
        calls::TESTS,
        counts::TESTS,
        generations::TESTS,
        large::TESTS,
    ])
}
