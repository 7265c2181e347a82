//! `leaktest PROGRAM [ARGUMENT…]`: checks that one process can get as many pages after a program
//! has run as before.
#![no_std]
#![no_main]

use harness::expect_eq;
use harness::{Expect, Outcome, same_pages, warm_up};
use programs::cli::{Text, complain, usage};
use ulib::process::Command;
use ulib::{env, main};

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
    same_pages(Text(program), || {
        let status = Command::new(program)
            .args(env::args_bytes().skip(2))
            .status()
            .or_fail(format_args!("run {}", Text(program)))?;
        expect_eq!(status.code(), 0, "status of {}", Text(program));
        Ok(())
    })
}
