//! `jobtest [TEST…]`: process groups and the terminal's foreground group. `jobtest keys`: Ctrl-C,
//! interactively: press it, and Enter, when asked to.
#![no_std]
#![no_main]

mod groups;
mod keys;

use harness::{run, suite, warm_up};
use ulib::{env, main, println};

main!(main);

fn main() -> i32 {
    if env::args_bytes().skip(1).eq([b"keys"]) {
        return with_keys();
    }
    suite(&[groups::TESTS])
}

/// Runs the interactive tests; returns the exit status.
fn with_keys() -> i32 {
    warm_up();
    let failed = keys::TESTS.iter().filter(|test| !run(test)).count();
    match failed {
        0 => println!("ALL TESTS PASSED"),
        n => println!("{n} OF {} TESTS FAILED", keys::TESTS.len()),
    }
    i32::from(failed > 0)
}
