//! `cat [FILE…]`: prints files, or standard input.
#![no_std]
#![no_main]

use programs::cli::{Text, complain};
use ulib::fs::File;
use ulib::io::{Read, Write, stdin, stdout};
use ulib::{env, main};

main!(main);

fn main() -> i32 {
    if env::args_bytes().len() < 2 {
        return i32::from(!copy(&mut stdin(), b"standard input"));
    }
    let mut status = 0;
    for name in env::args_bytes().skip(1) {
        let copied = match File::open(name) {
            Ok(mut file) => copy(&mut file, name),
            Err(error) => {
                complain(format_args!("cannot open {}: {error}", Text(name)));
                false
            }
        };
        if !copied {
            status = 1;
        }
    }
    status
}

/// Copies a file to standard output. Returns whether it succeeded.
fn copy(from: &mut impl Read, name: &[u8]) -> bool {
    let mut out = stdout();
    let mut buffer = [0; 4096];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => n,
            Err(error) => {
                complain(format_args!("cannot read {}: {error}", Text(name)));
                return false;
            }
        };
        // Pass on partial lines at once.
        let written = out.write_all(&buffer[..n]).and_then(|()| out.flush());
        if let Err(error) = written {
            complain(format_args!("cannot write: {error}"));
            return false;
        }
    }
}
