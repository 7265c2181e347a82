//! Standard input, output and error.
//!
//! Standard output is line-buffered, so that a line is one `write` and lines of several processes
//! do not mix. It is flushed at exit, before `fork`, and before standard input is read (for
//! prompts).
//!
//! A program that writes standard output or error to a pipe without readers exits silently, as with
//! SIGPIPE.

use super::{Read, Result, Write, checked};
use crate::fs::File;
use crate::solo::Solo;
use crate::sys;
use core::cell::RefCell;
use core::fmt;
use core::mem::ManuallyDrop;

/// Exit status on a broken pipe: 128 + SIGPIPE, as in Unix shells.
const BROKEN_PIPE: i32 = 128 + 13;

/// Buffer size.
const LINE: usize = 512;

/// An incomplete line.
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

/// A borrowed file descriptor.
#[derive(Clone, Copy, Debug)]
struct Fd(i32);

impl Write for Fd {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let answer = checked(sys::write(self.0, bytes.as_ptr(), bytes.len()));
        if answer.is_err() && self.is_pipe() {
            sys::exit(BROKEN_PIPE);
        }
        answer
    }
}

impl Fd {
    /// Whether it is a pipe's write end: the only writable file without `fstat`.
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

/// Standard output, line-buffered.
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

/// Flushes standard output at exit and ignores errors.
pub(crate) fn flush_at_exit() {
    if let Ok(mut line) = OUT.try_borrow_mut() {
        let _ = line.flush();
    }
}

/// Standard error. Each message is one `write`.
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

/// The printing macros call this; `name` is for the panic message.
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
