//! What xtask prints for its user on standard output.

use std::{
    fmt,
    io::{ErrorKind, Write, stdout},
    process::exit,
};

/// The status of a program that a shell saw end because nobody reads its output: 128 and SIGPIPE.
const NOBODY_READS: i32 = 141;

/// Prints a line. If nobody reads the output any more, as behind `| head`, xtask ends without a word.
macro_rules! say {
    ($($part:tt)*) => { $crate::output::line(format_args!($($part)*)) };
}

/// What [`say!`] calls.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(stdout(), "{text}") {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("xtask: standard output: {error}");
        }
        exit(NOBODY_READS);
    }
}
