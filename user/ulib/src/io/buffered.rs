//! Buffers around sources and destinations.

use super::{BufRead, Error, Read, Result, Write};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;

/// Bytes in a buffer.
const SIZE: usize = 4096;

/// Reads a source in large pieces.
#[derive(Debug)]
pub struct BufReader<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// A buffer in front of `source`.
    pub fn new(source: R) -> BufReader<R> {
        BufReader {
            source,
            buffer: vec![0; SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }
}

impl<R: Read> Read for BufReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for BufReader<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = self.source.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }
}

impl BufRead for &[u8] {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        Ok(self)
    }

    fn consume(&mut self, n: usize) {
        *self = &self[n..];
    }
}

/// The lines of a source, without their newlines.
#[derive(Debug)]
pub struct Lines<B> {
    source: B,
}

impl<B: BufRead> Lines<B> {
    pub(super) fn new(source: B) -> Lines<B> {
        Lines { source }
    }
}

impl<B: BufRead> Iterator for Lines<B> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let mut line = String::new();
        match self.source.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                }
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Writes to a destination in large pieces. What is still in the buffer when it is dropped is
/// written then, and an error of that is lost; [`flush`](Write::flush) reports it.
#[derive(Debug)]
pub struct BufWriter<W: Write> {
    to: W,
    buffer: Box<[u8]>,
    used: usize,
}

impl<W: Write> BufWriter<W> {
    /// A buffer in front of `to`.
    pub fn new(to: W) -> BufWriter<W> {
        BufWriter {
            to,
            buffer: vec![0; SIZE].into_boxed_slice(),
            used: 0,
        }
    }
}

impl<W: Write> Write for BufWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.used == self.buffer.len() {
            self.flush()?;
        }
        let room = &mut self.buffer[self.used..];
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.used += n;
        Ok(n)
    }

    fn flush(&mut self) -> Result<()> {
        // Dropped even if it cannot be written: a second try would write its beginning twice.
        let used = core::mem::take(&mut self.used);
        self.to.write_all(&self.buffer[..used])?;
        self.to.flush()
    }
}

impl<W: Write> Drop for BufWriter<W> {
    fn drop(&mut self) {
        let _: core::result::Result<(), Error> = self.flush();
    }
}
