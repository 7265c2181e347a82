//! `spin`: computes until killed; for use with `ps`, `kill` and Ctrl-P.
#![no_std]
#![no_main]

use core::hint::black_box;
use ulib::main;

main!(main);

fn main() -> i32 {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}
