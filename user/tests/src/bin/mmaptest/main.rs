//! `mmaptest [-q] [-l] [NAME…]`: memory mappings. Each test runs in a process of its own and must
//! not leak pages.
#![no_std]
#![no_main]

mod advise;
mod area;
mod copies;
mod flags;
mod heap;
mod large;
mod many;
mod place;
mod private;
mod program;
mod protect;
mod remap;
mod shared;
mod unmap;

use harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    if let Some(status) = program::other_part() {
        return status;
    }
    suite(&[
        place::TESTS,
        flags::TESTS,
        unmap::TESTS,
        private::TESTS,
        shared::TESTS,
        protect::TESTS,
        advise::TESTS,
        remap::TESTS,
        heap::TESTS,
        copies::TESTS,
        program::TESTS,
        large::TESTS,
        many::TESTS,
    ])
}
