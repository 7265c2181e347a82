//! Adds source lines to the addresses of a panic's backtrace on the console.

use crate::{
    lines::{Frame, Lines},
    toolchain::Toolchain,
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Longer lines are not parsed: the kernel's are shorter.
const LONGEST: usize = 400;

/// Forwards all bytes unchanged and at once. At the end of a backtrace line it inserts the source
/// location, if the kernel's file has it.
pub(crate) struct Resolver<W> {
    sink: W,
    kernel: PathBuf,
    /// Loaded at the first address; the inner `None` is a failure to load.
    lines: Option<Option<Lines>>,
    /// The current line.
    line: Vec<u8>,
}

impl<W: Write> Resolver<W> {
    /// The destination.
    pub(crate) fn sink(&self) -> &W {
        &self.sink
    }

    /// A resolver for this kernel's console.
    pub(crate) fn new(sink: W, kernel: &Path) -> Resolver<W> {
        Resolver {
            sink,
            kernel: kernel.to_path_buf(),
            lines: None,
            line: Vec::new(),
        }
    }

    /// Records the next part of a line.
    fn note(&mut self, text: &[u8]) {
        let room = LONGEST.saturating_sub(self.line.len());
        self.line.extend(text.iter().take(room));
    }

    /// The text to insert at the end of this line.
    fn addition(&mut self) -> String {
        if self.line.len() == LONGEST {
            return String::new();
        }
        let text = str::from_utf8(&self.line).ok();
        let Some(address) = text.and_then(address) else {
            return String::new();
        };
        // Loading may take a moment.
        let _ = self.sink.flush();
        let lines = self.lines.get_or_insert_with(|| {
            let file = fs::read(&self.kernel).ok()?;
            Lines::of(&file, &Toolchain::find().root).ok()
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

/// The address in a backtrace line, ` 0xffffffc080201234 name+0x12`, or in that of a fault, which
/// starts with `pc`.
fn address(line: &str) -> Option<u64> {
    let line = line.strip_prefix("  ")?;
    let line = line.strip_prefix("pc ").unwrap_or(line);
    let (address, function) = line.strip_prefix("0x")?.split_once(' ')?;
    let (_, offset) = function.rsplit_once("+0x")?;
    u64::from_str_radix(offset, 16).ok()?;
    u64::from_str_radix(address, 16).ok()
}

/// The source location of the innermost frame, and below it the callers that it is inlined in.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::tests::{outer_with_inner, own_file, root};

    /// The output for a console that prints these parts, with this program's lines.
    fn shown(kernel: &Path, parts: &[&[u8]]) -> Vec<u8> {
        let mut sink = Vec::new();
        let mut resolver = Resolver::new(&mut sink, kernel);
        for part in parts {
            resolver.write_all(part).unwrap();
        }
        drop(resolver);
        sink
    }

    #[test]
    fn a_backtrace_gets_its_lines() {
        let (address, frames) = outer_with_inner();
        let console = format!(
            "$ kmalloctest panic\r\npanic: why\r\n  pc {address:#x} outer+0x4\r\nbacktrace:\r\n  \
             {address:#x} outer+0x4\r\n"
        );
        let added = format!(
            " at {} in {}\r\n      inlined at {} in {}",
            frames[0].place, frames[0].function, frames[1].place, frames[1].function
        );
        let wanted = console.replace("+0x4", &format!("+0x4{added}"));
        let whole = shown(&own_file(), &[console.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&whole), wanted);
        // However it is split.
        let bytes: Vec<&[u8]> = console.as_bytes().chunks(1).collect();
        assert_eq!(shown(&own_file(), &bytes), whole);
    }

    #[test]
    fn other_bytes_pass_unchanged_and_at_once() {
        let (address, _) = outer_with_inner();
        let long = "x".repeat(LONGEST);
        let console = format!(
            "$ ls\r\n{address:#x} outer+0x4\r\n   {address:#x} outer+0x4\n  {address:#x} outer\r\n  0xfffffffffffffff0 \
             outer+0x4\r\n  {address:#x} {long}+0x4\r\n  pc\r\n\r\n\u{1b}[31m\u{8}\rcdef\r\n$ "
        );
        let mut bytes = console.into_bytes();
        bytes.extend(0..=255);
        let mut sink = Vec::new();
        for (count, byte) in bytes.iter().enumerate() {
            sink.clear();
            let mut resolver = Resolver::new(&mut sink, &own_file());
            resolver.line = line_before(&bytes, count);
            resolver.write_all(&[*byte]).unwrap();
            drop(resolver);
            assert_eq!(sink, [*byte], "byte {count}");
        }
        assert_eq!(shown(&own_file(), &[&bytes]), bytes);
    }

    /// The line up to this byte.
    fn line_before(bytes: &[u8], count: usize) -> Vec<u8> {
        let lines = bytes[..count].rsplit(|byte| matches!(byte, b'\r' | b'\n'));
        let line = lines.take(1).next().unwrap_or_default();
        line.iter().take(LONGEST).copied().collect()
    }

    #[test]
    fn without_the_kernels_file_the_console_is_unchanged() {
        let (address, _) = outer_with_inner();
        let console = format!("backtrace:\r\n  {address:#x} outer+0x4\r\n");
        for file in ["no-such-file", "Cargo.toml"] {
            let same = shown(&root().join(file), &[console.as_bytes()]);
            assert_eq!(String::from_utf8_lossy(&same), console, "{file}");
        }
    }
}
