//! `halt [STATUS]`: powers the machine off with this exit status, default 0.
#![no_std]
#![no_main]

use programs::cli::{number, usage};
use ulib::{env, main, sys};

main!(main);

fn main() -> i32 {
    let mut arguments = env::args_bytes().skip(1);
    let status = match (arguments.next(), arguments.next()) {
        (None, _) => Some(0),
        (Some(text), None) => number::<u8>(text),
        _ => None,
    };
    match status {
        Some(status) => sys::shutdown(i32::from(status)),
        None => usage("halt [STATUS], from 0 to 255"),
    }
}
