//! `ln OLD NEW`: links NEW to the file OLD.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, usage};
use ulib::vec::Vec;
use ulib::{env, fs, main};

main!(main);

fn main() -> i32 {
    let arguments: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    let [old, new] = arguments.as_slice() else {
        return usage("ln OLD NEW");
    };
    match fs::hard_link(old, new) {
        Ok(()) => 0,
        Err(error) => {
            complain(format_args!(
                "cannot link {} to {}: {error}",
                Text(new),
                Text(old)
            ));
            1
        }
    }
}
