//! `grep PATTERN [FILE…]`: prints the lines that match the pattern. Exits with 1 if there are none.
#![no_std]
#![no_main]

use programs::cli::{Text, complain, usage};
use programs::pattern::Pattern;
use ulib::fs::File;
use ulib::io::{BufRead, BufReader, Read, Result, Write, stdin, stdout};
use ulib::vec::Vec;
use ulib::{env, main};

main!(main);

fn main() -> i32 {
    let mut arguments = env::args_bytes().skip(1);
    let Some(text) = arguments.next() else {
        return usage("grep PATTERN [FILE…]");
    };
    let pattern = match Pattern::new(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            complain(format_args!("{}: {error}", Text(text)));
            return 1;
        }
    };
    let names: Vec<&[u8]> = arguments.collect();
    let mut found = false;
    let mut failed = false;
    if names.is_empty() {
        match search(&pattern, stdin(), None) {
            Ok(any) => found |= any,
            Err(error) => {
                complain(format_args!("cannot read standard input: {error}"));
                failed = true;
            }
        }
    }
    for name in &names {
        let label = (names.len() > 1).then_some(*name);
        match File::open(name).and_then(|file| search(&pattern, file, label)) {
            Ok(any) => found |= any,
            Err(error) => {
                complain(format_args!("cannot read {}: {error}", Text(name)));
                failed = true;
            }
        }
    }
    i32::from(failed || !found)
}

/// Prints the matching lines of one file, with its label. Returns whether there were any.
fn search(pattern: &Pattern, file: impl Read, label: Option<&[u8]>) -> Result<bool> {
    let mut file = BufReader::new(file);
    let mut out = stdout();
    let mut found = false;
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if pattern.is_in(&line) {
            found = true;
            if let Some(label) = label {
                out.write_all(label)?;
                out.write_all(b":")?;
            }
            line.push(b'\n');
            out.write_all(&line)?;
        }
        line.clear();
    }
    Ok(found)
}
