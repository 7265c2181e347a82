//! `sync`: waits until the disk has all changes.
#![no_std]
#![no_main]

use programs::cli::usage;
use ulib::{env, eprintln, fs, main};

main!(main);

fn main() -> i32 {
    if env::args_bytes().count() > 1 {
        return usage("sync");
    }
    match fs::sync() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("sync: {error}");
            1
        }
    }
}
