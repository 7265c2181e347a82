//! `usertests [-q] [-l] [NAME…]`: tests of the kernel through its system calls. Each runs in a
//! process and a directory of its own and must not leak. `-q` runs the quick ones, `-l` lists all.
//! Before and after a run of all, or all quick ones, one process takes all memory: it must get as
//! many pages afterwards.
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
mod reasons;
mod registers;
mod runtime;
mod scarce;
mod shell;

use harness::{same_pages, suite, warm_up};
use ulib::string::String;
use ulib::{env, main, println};

main!(main);

fn main() -> i32 {
    if env::args_bytes().skip(1).any(|argument| argument != b"-q") {
        return tests();
    }
    warm_up();
    let counted = same_pages("all tests", || match tests() {
        0 => Ok(()),
        _ => Err(String::from("see above")),
    });
    if let Err(error) = &counted {
        println!("usertests: FAILED: {error}");
    }
    i32::from(counted.is_err())
}

fn tests() -> i32 {
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
        reasons::TESTS,
        shell::TESTS,
        runtime::TESTS,
    ])
}
