//! `forktest`: forks until the kernel refuses, then reaps all children.
#![no_std]
#![no_main]

use programs::cli::complain;
use ulib::{main, println, process};

main!(main);

/// The kernel's limit is below this.
const LIMIT: u32 = 1000;

fn main() -> i32 {
    println!("fork test");
    let mut children = 0;
    // A zombie occupies its slot until reaped, so children may exit at once.
    while children < LIMIT && process::fork_with(|| 0).is_ok() {
        children += 1;
    }
    let mut collected = 0;
    while let Ok((_, status)) = process::wait() {
        if !status.success() {
            complain(format_args!(
                "expected children to end with status 0, saw {status}"
            ));
            return 1;
        }
        collected += 1;
    }
    if children == LIMIT {
        complain(format_args!(
            "expected fork to fail before {LIMIT} processes"
        ));
        return 1;
    }
    if children != collected {
        complain(format_args!(
            "expected to reap {children} children, saw {collected}"
        ));
        return 1;
    }
    println!("fork test OK");
    0
}
