//! `leaktest PROGRAM [ARGUMENT…]`: whether one process can get exactly as many pages after a program
//! has run as before.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, usage};
use programs::expect_eq;
use programs::harness::{Expect, Outcome, take_pages, warm_up};
use ulib::process::Command;
use ulib::{env, main, println};

main!(main);

fn main() -> i32 {
    let Some(program) = env::args_bytes().nth(1) else {
        return usage("leaktest PROGRAM [ARGUMENT...]");
    };
    warm_up();
    match check(program) {
        Ok(()) => 0,
        Err(error) => {
            complain(format_args!("FAILED: {error}"));
            1
        }
    }
}

fn check(program: &[u8]) -> Outcome {
    // Once for practice: this process has touched all it runs before the counts.
    take_pages(1)?;
    let before = take_pages(usize::MAX)?;
    let status = Command::new(program)
        .args(env::args_bytes().skip(2))
        .status()
        .or_fail(format_args!("run {}", Text(program)))?;
    expect_eq!(status.code(), 0, "status of {}", Text(program));
    let after = take_pages(usize::MAX)?;
    println!(
        "leaktest: {before} pages before {}, {after} after",
        Text(program)
    );
    expect_eq!(after, before, "pages that one process can get");
    Ok(())
}
