//! `mkdir NAME…`: creates directories.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, usage};
use ulib::{env, fs, main};

main!(main);

fn main() -> i32 {
    if env::args_bytes().len() < 2 {
        return usage("mkdir NAME…");
    }
    let mut status = 0;
    for name in env::args_bytes().skip(1) {
        if let Err(error) = fs::create_dir(name) {
            complain(format_args!("cannot create {}: {error}", Text(name)));
            status = 1;
        }
    }
    status
}
