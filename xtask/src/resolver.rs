//! The console of a guest with source lines behind the addresses in a panic's backtrace.

use crate::lines::{Frame, Lines};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Lines of so many bytes are not looked at: the kernel's own are shorter.
const LONGEST: usize = 400;

/// Hands all bytes on at once, and as they are. Where a line of a backtrace ends, what the kernel's file
/// knows of its address is put in before the end; without such a file nothing is.
pub(crate) struct Resolver<W> {
    sink: W,
    kernel: PathBuf,
    root: PathBuf,
    /// Loaded when the first address is seen; none if that did not work.
    lines: Option<Option<Lines>>,
    /// The line so far.
    line: Vec<u8>,
}

impl<W: Write> Resolver<W> {
    /// For the console of this kernel, built in the tree at `root`.
    pub(crate) fn new(sink: W, kernel: &Path, root: &Path) -> Resolver<W> {
        Resolver {
            sink,
            kernel: kernel.to_path_buf(),
            root: root.to_path_buf(),
            lines: None,
            line: Vec::new(),
        }
    }

    /// Takes the next part of a line.
    fn note(&mut self, text: &[u8]) {
        let room = LONGEST.saturating_sub(self.line.len());
        self.line.extend(text.iter().take(room));
    }

    /// What is to stand behind the line that ends here.
    fn addition(&mut self) -> String {
        if self.line.len() == LONGEST {
            return String::new();
        }
        let text = str::from_utf8(&self.line).ok();
        let Some(address) = text.and_then(address) else {
            return String::new();
        };
        let lines = self.lines.get_or_insert_with(|| {
            let file = fs::read(&self.kernel).ok()?;
            Lines::of(&file, &self.root).ok()
        });
        lines
            .as_ref()
            .map_or_else(String::new, |lines| told(&lines.at(address)))
    }
}

impl<W: Write> Write for Resolver<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (text, behind) = rest.split_at(end);
            self.sink.write_all(text)?;
            self.note(text);
            let addition = self.addition();
            self.sink.write_all(addition.as_bytes())?;
            self.sink.write_all(&behind[..1])?;
            self.line.clear();
            rest = &behind[1..];
        }
        self.sink.write_all(rest)?;
        self.note(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The address in a line of a backtrace, `  0xffffffc080201234 name+0x12`, or in that of a fault, where `pc`
/// stands before it.
fn address(line: &str) -> Option<u64> {
    let line = line.strip_prefix("  ")?;
    let line = line.strip_prefix("pc ").unwrap_or(line);
    let (address, function) = line.strip_prefix("0x")?.split_once(' ')?;
    let (_, offset) = function.rsplit_once("+0x")?;
    u64::from_str_radix(offset, 16).ok()?;
    u64::from_str_radix(address, 16).ok()
}

/// The lines behind a function's name: the innermost on the same line, those that it is inlined in below.
fn told(frames: &[Frame]) -> String {
    let Some((first, outer)) = frames.split_first() else {
        return String::new();
    };
    let mut text = format!(" at {}", first.place);
    if !outer.is_empty() {
        text += &format!(" in {}", first.function);
    }
    for frame in outer {
        text += &format!("\r\n      inlined at {} in {}", frame.place, frame.function);
    }
    text
}
