//! `count [NAME [TIMES]]…`: counts the instructions of an operation, in user and kernel mode.
//! Without arguments it lists the operations; `count all` runs all.
//!
//! Each operation runs in a process of its own, so that none affects another.
#![no_std]
#![no_main]

mod calls;
mod files;
mod memory;
mod meter;
mod processes;

use core::ffi::CStr;
use meter::Meter;
use programs::cli::{Text, complain, number};
use ulib::io::Result;
use ulib::process::Command;
use ulib::vec::Vec;
use ulib::{env, format, main, println};

main!(main);

/// An operation to measure.
struct Operation {
    name: &'static str,
    what: &'static str,
    /// Default number of samples.
    times: usize,
    run: fn(&mut Meter) -> Result<()>,
}

/// A list of operations: `operations! { "name", times, "description" => function; … }`.
macro_rules! operations {
    ($($name:literal, $times:literal, $what:literal => $run:expr;)*) => {
        &[$($crate::Operation { name: $name, what: $what, times: $times, run: $run },)*]
    };
}
use operations;

/// More samples add no precision and would not fit into memory.
const MOST_TIMES: usize = 1_000_000;
/// Option: measure the operation in this process and print only its line.
const HERE: &[u8] = b"--here";
/// Option: exit at once. The operations exec this.
pub const END: &CStr = c"--end";

fn all() -> impl Iterator<Item = &'static Operation> {
    let parts = [
        calls::OPERATIONS,
        processes::OPERATIONS,
        memory::OPERATIONS,
        files::OPERATIONS,
    ];
    parts.into_iter().flatten()
}

fn main() -> i32 {
    let words: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    let (here, words) = match words.as_slice() {
        [] => return list(),
        [end] if *end == END.to_bytes() => return 0,
        [HERE, words @ ..] => (true, words),
        words => (false, words),
    };
    let wanted = match wanted(words) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    match here {
        true => i32::from(
            !wanted
                .iter()
                .all(|&(operation, times)| measure(operation, times)),
        ),
        false => measure_each(&wanted),
    }
}

fn list() -> i32 {
    println!("usage: count [NAME [TIMES]]...   or: count all");
    println!("{:16} {:>6}", "operation", "times");
    for operation in all() {
        println!(
            "{:16} {:6}  {}",
            operation.name, operation.times, operation.what
        );
    }
    0
}

/// The named operations and their numbers of samples, or the exit status for a bad argument.
fn wanted(words: &[&[u8]]) -> core::result::Result<Vec<(&'static Operation, usize)>, i32> {
    let mut wanted = Vec::new();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let named = |operation: &&Operation| word == b"all" || operation.name.as_bytes() == word;
        let before = wanted.len();
        wanted.extend(
            all()
                .filter(named)
                .map(|operation| (operation, operation.times)),
        );
        if wanted.len() == before {
            complain(format_args!(
                "no operation {}; run count for a list",
                Text(word)
            ));
            return Err(1);
        }
        let Some(times) = words.next_if(|word| word.first().is_some_and(u8::is_ascii_digit)) else {
            continue;
        };
        let Some(times) = number(times).filter(|times| (1..=MOST_TIMES).contains(times)) else {
            complain(format_args!(
                "{} times: expected a number from 1 to {MOST_TIMES}",
                Text(times)
            ));
            return Err(1);
        };
        wanted[before..]
            .iter_mut()
            .for_each(|(_, default)| *default = times);
    }
    Ok(wanted)
}

/// Runs this program once for each operation; returns the exit status.
fn measure_each(wanted: &[(&Operation, usize)]) -> i32 {
    if let Err(error) = meter::heading() {
        complain(error);
        return 1;
    }
    let name = env::args_bytes().next().unwrap_or_default();
    for (operation, times) in wanted {
        let mut command = Command::new(name);
        command
            .arg(HERE)
            .arg(operation.name)
            .arg(format!("{times}"));
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) if status.killed() => {
                complain(format_args!("{} was killed", operation.name));
                return 1;
            }
            Ok(status) => return status.code(),
            Err(error) => {
                complain(format_args!("{}: {error}", operation.name));
                return 1;
            }
        }
    }
    0
}

/// Measures one operation and prints its line. Returns whether it succeeded.
fn measure(operation: &Operation, times: usize) -> bool {
    let done = Meter::new(times).and_then(|mut meter| {
        (operation.run)(&mut meter)?;
        meter.print(operation.name);
        Ok(())
    });
    if let Err(error) = done {
        complain(format_args!("{}: {error}", operation.name));
    }
    done.is_ok()
}
