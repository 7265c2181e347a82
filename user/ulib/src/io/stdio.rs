//! Standard input, output and error.
//!
//! Standard output is kept until a line is complete, so that a line is one `write` and lines of
//! several processes do not mix. What is left is written at exit, before `fork`, and before
//! standard input is read (a prompt has to be seen).
//!
//! A program whose standard output or standard error is a pipe that nobody reads any more ends there,
//! without a word: its work is of no use to anybody.

use super::{Read, Result, Write, checked};
use crate::fs::File;
use crate::solo::Solo;
use crate::sys;
use core::cell::RefCell;
use core::fmt;
use core::mem::ManuallyDrop;

/// Status of a program that ends because nobody reads what it prints: 128 and the number of Unix's
/// signal for that, as shells tell it.
const UNREAD: i32 = 128 + 13;

/// Bytes of a line that are kept at most.
const LINE: usize = 512;

/// The beginning of a line that is not complete.
struct Line {
    bytes: [u8; LINE],
    used: usize,
}

impl Line {
    fn flush(&mut self) -> Result<()> {
        let used = core::mem::take(&mut self.used);
        Fd(1).write_all(&self.bytes[..used])
    }

    fn keep(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.used == LINE {
                self.flush()?;
            }
            if self.used == 0 && bytes.len() >= LINE {
                return Fd(1).write_all(bytes);
            }
            let n = bytes.len().min(LINE - self.used);
            self.bytes[self.used..self.used + n].copy_from_slice(&bytes[..n]);
            self.used += n;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match bytes.iter().rposition(|&b| b == b'\n') {
            None => self.keep(bytes),
            Some(end) => {
                let (complete, rest) = bytes.split_at(end + 1);
                self.keep(complete)?;
                self.flush()?;
                self.keep(rest)
            }
        }
    }
}

static OUT: Solo<RefCell<Line>> = Solo::new(RefCell::new(Line {
    bytes: [0; LINE],
    used: 0,
}));

/// An open file's number, without owning it.
#[derive(Clone, Copy, Debug)]
struct Fd(i32);

impl Write for Fd {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let answer = checked(sys::write(self.0, bytes.as_ptr(), bytes.len()));
        if answer.is_err() && self.is_pipe() {
            sys::exit(UNREAD);
        }
        answer
    }
}

impl Fd {
    /// Whether it is the end of a pipe that can be written to: of all that is open for writing, `fstat`
    /// can tell nothing only of those.
    fn is_pipe(self) -> bool {
        let writable = sys::write(self.0, [].as_ptr(), 0) == 0;
        writable
            && ManuallyDrop::new(File::from_raw_fd(self.0))
                .metadata()
                .is_err()
    }
}

/// Standard input, unbuffered.
#[derive(Clone, Copy, Debug)]
pub struct Stdin(());

/// Standard input.
pub fn stdin() -> Stdin {
    Stdin(())
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        stdout().flush()?;
        // SAFETY: the slice is ours to fill.
        checked(unsafe { sys::read(0, buffer.as_mut_ptr(), buffer.len()) })
    }
}

/// Standard output, written line by line.
#[derive(Clone, Copy, Debug)]
pub struct Stdout(());

/// Standard output.
pub fn stdout() -> Stdout {
    Stdout(())
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        OUT.borrow_mut().write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        OUT.borrow_mut().flush()
    }
}

/// Writes what is left of standard output and forgets it if that cannot be done: for the end of the
/// program, where nobody is left to tell.
pub(crate) fn flush_at_exit() {
    if let Ok(mut line) = OUT.try_borrow_mut() {
        let _ = line.flush();
    }
}

/// Standard error. A message is gathered and written at once.
#[derive(Debug)]
pub struct Stderr {
    bytes: [u8; 128],
    used: usize,
}

/// Standard error.
pub fn stderr() -> Stderr {
    Stderr {
        bytes: [0; 128],
        used: 0,
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.used == self.bytes.len() {
            self.flush()?;
        }
        let n = bytes.len().min(self.bytes.len() - self.used);
        self.bytes[self.used..self.used + n].copy_from_slice(&bytes[..n]);
        self.used += n;
        Ok(n)
    }

    fn flush(&mut self) -> Result<()> {
        let used = core::mem::take(&mut self.used);
        Fd(2).write_all(&self.bytes[..used])
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// What the printing macros call; `name` is said when it fails.
///
/// # Panics
/// If the text cannot be written, as `std`'s macros do.
pub fn print_to(mut to: impl Write, name: &str, text: fmt::Arguments<'_>) {
    if let Err(error) = to.write_fmt(text) {
        panic!("cannot write to {name}: {error}");
    }
}

/// Prints to standard output.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => {
        $crate::io::print_to($crate::io::stdout(), "standard output", ::core::format_args!($($text)*))
    };
}

/// Prints a line to standard output.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($rest:tt)*) => { $crate::print!("{}\n", ::core::format_args!($format $($rest)*)) };
}

/// Prints to standard error.
#[macro_export]
macro_rules! eprint {
    ($($text:tt)*) => {
        $crate::io::print_to($crate::io::stderr(), "standard error", ::core::format_args!($($text)*))
    };
}

/// Prints a line to standard error.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($format:literal $($rest:tt)*) => { $crate::eprint!("{}\n", ::core::format_args!($format $($rest)*)) };
}
