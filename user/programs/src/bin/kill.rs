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
        let Some(pid) = number(text) else {
            complain(format_args!("{}: expected a process ID", Text(text)));
            status = 1;
            continue;
        };
        if let Err(error) = process::kill(pid) {
            complain(format_args!("cannot kill {pid}: {error}"));
            status = 1;
        }
    }
    status
}
