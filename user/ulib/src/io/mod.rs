//! I/O, modelled on `std::io`.

mod buffered;
mod error;
mod stdio;

pub(crate) use error::checked;
pub use error::{Error, Result};

pub use buffered::{BufReader, BufWriter, Lines};
pub(crate) use stdio::flush_at_exit;
pub use stdio::{Stderr, Stdin, Stdout, print_to, stderr, stdin, stdout};

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Something bytes can be read from.
pub trait Read {
    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Fills the whole buffer.
    ///
    /// # Errors
    /// The source cannot be read, or ends too early.
    fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err(Error::UnexpectedEof),
                n => buffer = &mut buffer[n..],
            }
        }
        Ok(())
    }

    /// Appends everything up to the end; returns the number of bytes.
    ///
    /// # Errors
    /// The source cannot be read.
    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        let before = bytes.len();
        let mut piece = [0; 1024];
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(bytes.len() - before),
                n => bytes.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// Appends everything up to the end as text; returns the number of bytes.
    ///
    /// # Errors
    /// The source cannot be read, or is not UTF-8.
    fn read_to_string(&mut self, text: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        text.push_str(core::str::from_utf8(&bytes).map_err(|_| Error::InvalidData)?);
        Ok(bytes.len())
    }
}

impl<R: Read + ?Sized> Read for &mut R {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (**self).read(buffer)
    }
}

impl Read for &[u8] {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = buffer.len().min(self.len());
        let (now, later) = self.split_at(n);
        buffer[..n].copy_from_slice(now);
        *self = later;
        Ok(n)
    }
}

/// A source with a buffer, which can be read by lines.
pub trait BufRead: Read {
    /// The buffered bytes, read from the source if there are none; empty at the end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn fill_buf(&mut self) -> Result<&[u8]>;

    /// Marks `n` buffered bytes as read.
    fn consume(&mut self, n: usize);

    /// Appends everything up to and including the next `end`; returns the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn read_until(&mut self, end: u8, bytes: &mut Vec<u8>) -> Result<usize> {
        let before = bytes.len();
        loop {
            let buffer = self.fill_buf()?;
            let found = buffer.iter().position(|&b| b == end);
            let n = found.map_or(buffer.len(), |at| at + 1);
            bytes.extend_from_slice(&buffer[..n]);
            self.consume(n);
            if found.is_some() || n == 0 {
                return Ok(bytes.len() - before);
            }
        }
    }

    /// Appends the next line with its newline; returns the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// The source cannot be read, or is not UTF-8.
    fn read_line(&mut self, line: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        let n = self.read_until(b'\n', &mut bytes)?;
        line.push_str(core::str::from_utf8(&bytes).map_err(|_| Error::InvalidData)?);
        Ok(n)
    }

    /// The lines, without their newlines.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }
}

/// Something bytes can be written to.
pub trait Write {
    /// Writes some bytes; returns how many.
    ///
    /// # Errors
    /// The destination takes no more.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Writes buffered bytes.
    ///
    /// # Errors
    /// The destination takes no more.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes all the bytes.
    ///
    /// # Errors
    /// The destination takes no more.
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes)? {
                0 => return Err(Error::WriteZero),
                n => bytes = &bytes[n..],
            }
        }
        Ok(())
    }

    /// Called by `write!` and `writeln!`.
    ///
    /// # Errors
    /// The destination takes no more.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<()> {
        let mut adapter = Adapter {
            to: self,
            error: Ok(()),
        };
        match fmt::write(&mut adapter, text) {
            Ok(()) => Ok(()),
            Err(fmt::Error) => adapter.error.and(Err(Error::InvalidData)),
        }
    }
}

/// Adapts a writer to `fmt::Write` and keeps the error.
struct Adapter<'a, W: Write + ?Sized> {
    to: &'a mut W,
    error: Result<()>,
}

impl<W: Write + ?Sized> fmt::Write for Adapter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.to.write_all(text.as_bytes()).map_err(|error| {
            self.error = Err(error);
            fmt::Error
        })
    }
}

impl<W: Write + ?Sized> Write for &mut W {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        (**self).write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }
}

impl Write for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// Copies everything; returns the number of bytes.
///
/// # Errors
/// One of the two failed.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<u64> {
    let mut buffer = [0; 4096];
    let mut total = 0;
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..n])?;
        total += n as u64;
    }
}
