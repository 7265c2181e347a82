//! Buffered readers and writers.

use super::{BufRead, Error, Read, Result, Write};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;

/// Buffer size.
const SIZE: usize = 4096;

/// A buffered reader.
#[derive(Debug)]
pub struct BufReader<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// Buffers `source`.
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

/// A buffered writer. Dropping it writes the buffer and ignores errors; [`flush`](Write::flush)
/// reports them.
#[derive(Debug)]
pub struct BufWriter<W: Write> {
    to: W,
    buffer: Box<[u8]>,
    used: usize,
}

impl<W: Write> BufWriter<W> {
    /// Buffers `to`.
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
        // Discarded even on failure: retrying could write part of it twice.
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
