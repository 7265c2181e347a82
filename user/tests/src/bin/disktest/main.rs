//! `disktest [-q] [-l] [NAME…]`: what is on the disk when, and, slow, what only a disk with large files has.
#![no_std]
#![no_main]

mod durable;
mod large;

use harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    suite(&[durable::TESTS, large::TESTS])
}
