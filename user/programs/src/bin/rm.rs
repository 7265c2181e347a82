//! `rm NAME…`: removes files and empty directories.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, usage};
use ulib::{env, fs, main};

main!(main);

fn main() -> i32 {
    if env::args_bytes().len() < 2 {
        return usage("rm NAME…");
    }
    let mut status = 0;
    for name in env::args_bytes().skip(1) {
        if let Err(error) = fs::remove_file(name) {
            complain(format_args!("cannot remove {}: {error}", Text(name)));
            status = 1;
        }
    }
    status
}
