//! `cowtest [-q] [-l] [NAME…]`: copy on write after fork, by data and by the kernel's page counts.
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
