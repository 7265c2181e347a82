//! `usertests [-q] [-l] [NAME…]`: tests of the kernel through its system calls. Each runs in a
//! process and a directory of its own; what the machine has is counted before and after. `-q` runs
//! the quick ones, `-l` lists all.
#![no_std]
#![no_main]

mod concurrent;
mod device;
mod directories;
mod disk;
mod elf;
mod exec;
mod fault;
mod files;
mod fork;
mod heap;
mod kill;
mod links;
mod pipes;
mod pointers;
mod processes;
mod registers;
mod runtime;
mod scarce;
mod shell;

use programs::harness::suite;
use ulib::main;

main!(main);

fn main() -> i32 {
    suite(&[
        pointers::TESTS,
        fault::TESTS,
        heap::TESTS,
        scarce::TESTS,
        fork::TESTS,
        processes::TESTS,
        kill::TESTS,
        registers::TESTS,
        pipes::TESTS,
        files::TESTS,
        links::TESTS,
        directories::TESTS,
        disk::TESTS,
        device::TESTS,
        concurrent::TESTS,
        exec::TESTS,
        shell::TESTS,
        runtime::TESTS,
    ])
}
