//! `kill PID…`: kills processes.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, number, usage};
use ulib::{env, main, process};

main!(main);

fn main() -> i32 {
    if env::args_bytes().len() < 2 {
        return usage("kill PID…");
    }
    let mut status = 0;
    for text in env::args_bytes().skip(1) {
        if number(text).is_none_or(|pid| process::kill(pid).is_err()) {
            complain(format_args!("no process {}", Text(text)));
            status = 1;
        }
    }
    status
}
