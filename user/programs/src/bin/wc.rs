//! `wc [FILE…]`: counts lines, words and bytes of files, or of standard input.
#![no_std]
#![no_main]

use programs::cli::{Text, complain};
use ulib::fs::File;
use ulib::io::{Read, Result, stdin};
use ulib::{env, main, println};

main!(main);

#[derive(Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
}

fn main() -> i32 {
    if env::args_bytes().len() < 2 {
        return match count(&mut stdin()) {
            Ok(counts) => {
                println!("{} {} {}", counts.lines, counts.words, counts.bytes);
                0
            }
            Err(error) => {
                complain(format_args!("cannot read standard input: {error}"));
                1
            }
        };
    }
    let mut status = 0;
    let mut total = Counts::default();
    for name in env::args_bytes().skip(1) {
        match File::open(name).and_then(|mut file| count(&mut file)) {
            Ok(counts) => {
                show(&counts, name);
                total.lines += counts.lines;
                total.words += counts.words;
                total.bytes += counts.bytes;
            }
            Err(error) => {
                complain(format_args!("cannot read {}: {error}", Text(name)));
                status = 1;
            }
        }
    }
    if env::args_bytes().len() > 2 {
        show(&total, b"total");
    }
    status
}

fn show(counts: &Counts, name: &[u8]) {
    println!(
        "{} {} {} {}",
        counts.lines,
        counts.words,
        counts.bytes,
        Text(name)
    );
}

fn count(from: &mut impl Read) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut in_word = false;
    let mut buffer = [0; 4096];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(counts);
        }
        counts.bytes += n as u64;
        for &byte in &buffer[..n] {
            counts.lines += u64::from(byte == b'\n');
            let space = byte.is_ascii_whitespace() || byte == 0x0b;
            counts.words += u64::from(!space && !in_word);
            in_word = !space;
        }
    }
}
