//! `echo WORD…`: prints its arguments.
#![no_std]
#![no_main]

use ulib::io::{Result, Write, stdout};
use ulib::{env, main};

main!(main);

fn main() -> Result<()> {
    let mut out = stdout();
    for (i, word) in env::args_bytes().skip(1).enumerate() {
        if i > 0 {
            out.write_all(b" ")?;
        }
        out.write_all(word)?;
    }
    out.write_all(b"\n")
}
