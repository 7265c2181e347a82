//! `infotest [-q] [-l] [NAME…]`: the kernel's information about memory and processes.
#![no_std]
#![no_main]

mod ask;
mod machine;
mod pages;
mod processes;
mod refused;
mod regions;
mod tables;

use harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    suite(&[
        pages::TESTS,
        regions::TESTS,
        tables::TESTS,
        refused::TESTS,
        processes::TESTS,
        machine::TESTS,
    ])
}
