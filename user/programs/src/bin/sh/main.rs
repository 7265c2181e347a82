//! `sh [-c LINES | FILE]`: the shell. It reads lines from its argument, a file, or standard input,
//! and runs them:
//!
//! - `PROGRAM WORD…` with `<FILE`, `>FILE`, `>>FILE`; programs are searched in the current
//!   directory, then in `/`, unless the name contains a `/`;
//! - `A | B` connects two commands, `A && B` and `A || B` run B if A succeeded or failed;
//! - `A ; B` runs one after the other, `A &` runs in the background, `(A)` in a subshell;
//! - `'…'`, `"…"` and `\` quote, `#` begins a comment;
//! - `cd [DIRECTORY]`, `exit [STATUS]`, and `wait` for all background commands;
//! - at a terminal, Ctrl-C ends the foreground command and the rest of its line.
//!
//! Its status is that of the last command.
#![no_std]
#![no_main]

mod job;
mod lex;
mod parse;
mod run;

use abi::INTERRUPTED;
use programs::cli::{Text, complain, usage};
use ulib::fs::{self, File};
use ulib::io::{Read, stdin};
use ulib::vec::Vec;
use ulib::{env, eprint, main};

main!(main);

/// Exit status for a syntax error or an unreadable file.
const MISUSED: i32 = 2;
/// Exit status if Ctrl-C ended the last command: 128 + SIGINT, as in Unix shells.
const STOPPED: i32 = 128 + 2;
/// Longest line in bytes.
const LONGEST: usize = 64 << 10;

fn main() -> i32 {
    let arguments: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    match arguments.as_slice() {
        [] => interact(),
        [b"-c", lines] => run_all(lines),
        [option, ..] if option.starts_with(b"-") => usage("sh [-c LINES | FILE]"),
        [file] => match fs::read(file) {
            Ok(lines) => run_all(&lines),
            Err(error) => {
                complain(format_args!("cannot read {}: {error}", Text(file)));
                MISUSED
            }
        },
        _ => usage("sh [-c LINES | FILE]"),
    }
}

/// Runs lines from memory, up to the first syntax error.
fn run_all(lines: &[u8]) -> i32 {
    let mut status = 0;
    for line in lines.split(|&b| b == b'\n') {
        match run_line(line, status) {
            Some(INTERRUPTED) => return STOPPED,
            Some(new) => status = new,
            None => return MISUSED,
        }
    }
    status
}

/// Runs lines from standard input, with a prompt if it is a device.
fn interact() -> i32 {
    let about = core::mem::ManuallyDrop::new(File::from_raw_fd(0)).metadata();
    let prompts = about.is_ok_and(|about| about.is_device());
    if prompts {
        job::control();
    }
    let mut status = 0;
    let mut line = Vec::new();
    loop {
        if prompts {
            eprint!("$ ");
        }
        match read_line(&mut line) {
            Line::Complete => {
                status = match run_line(&line, status).unwrap_or(MISUSED) {
                    INTERRUPTED => STOPPED,
                    status => status,
                }
            }
            Line::TooLong => {
                complain(format_args!("line too long, at most {LONGEST} bytes"));
                status = MISUSED;
            }
            Line::End => {
                job::leave();
                return status;
            }
        }
    }
}

/// Runs one line; returns the new status, or `None` for a syntax error.
fn run_line(line: &[u8], status: i32) -> Option<i32> {
    match lex::lex(line).and_then(parse::parse) {
        Ok(list) => Some(run::list(&list, status)),
        Err(error) => {
            complain(error);
            None
        }
    }
}

/// The result of `read_line`.
enum Line {
    Complete,
    TooLong,
    End,
}

/// Reads a line, without its newline. Byte by byte: the input after it belongs to the commands it
/// starts.
fn read_line(line: &mut Vec<u8>) -> Line {
    line.clear();
    let mut length = 0;
    let mut byte = [0];
    loop {
        let more = matches!(stdin().read(&mut byte), Ok(1));
        if !more && length == 0 {
            return Line::End;
        }
        if !more || byte == *b"\n" {
            return if length > LONGEST {
                Line::TooLong
            } else {
                Line::Complete
            };
        }
        length += 1;
        if length <= LONGEST {
            line.push(byte[0]);
        }
    }
}
