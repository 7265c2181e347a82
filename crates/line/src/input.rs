//! Input that was typed and not yet read.

use crate::{END_OF_INPUT, Editor, History};

/// A terminal's input: finished lines until they are read, the line being edited, and the history.
/// Unread lines and the line being edited share `SIZE` bytes.
#[derive(Clone, Debug)]
pub struct Input<const SIZE: usize> {
    lines: Ring<SIZE>,
    /// The next byte to be read starts a line.
    at_start: bool,
    editor: Editor<SIZE>,
    history: History,
}

/// Whether this byte terminates a line.
fn is_last(byte: u8) -> bool {
    matches!(byte, b'\n' | END_OF_INPUT)
}

impl<const SIZE: usize> Default for Input<SIZE> {
    fn default() -> Input<SIZE> {
        Input::new()
    }
}

impl<const SIZE: usize> Input<SIZE> {
    /// Empty input.
    pub const fn new() -> Input<SIZE> {
        Input {
            lines: Ring::new(),
            at_start: true,
            editor: Editor::new(),
            history: History::new(),
        }
    }

    /// Whether another byte can be typed.
    pub fn has_room(&self) -> bool {
        self.lines.len() + self.editor.line().len() < SIZE
    }

    /// Whether there is a line to read.
    pub fn has_line(&self) -> bool {
        self.lines.len() > 0
    }

    /// Takes a typed byte, for which there must be room, and echoes its effect; true when it
    /// finishes a line. The byte that fills the buffer does too, since nothing more can be typed.
    pub fn add(&mut self, byte: u8, screen: &mut dyn FnMut(&[u8])) -> bool {
        let most = SIZE - self.lines.len();
        let ends = self.editor.input(byte, most, &self.history, screen);
        if ends {
            self.editor.line().iter().for_each(|&b| self.lines.push(b));
            self.editor.clear();
        }
        ends
    }

    /// Reads from the first line; `before` is what the same read already got. True when the read is
    /// complete. End of input after other bytes stays, so that the next read returns 0.
    pub fn take(&mut self, to: &mut [u8], before: usize) -> (usize, bool) {
        let mut count = 0;
        for place in to {
            let Some(byte) = self.lines.first() else {
                break;
            };
            let is_end = byte == END_OF_INPUT;
            if is_end && before + count > 0 {
                return (count, true);
            }
            self.lines.pop();
            self.at_start = is_last(byte);
            if is_end {
                return (count, true);
            }
            *place = byte;
            count += 1;
            if self.at_start {
                return (count, true);
            }
        }
        (count, false)
    }

    /// Adds the first line to the history, unless it was partly read.
    pub fn remember(&mut self) {
        if self.at_start {
            let line = self.lines.iter().take_while(|&byte| !is_last(byte));
            self.history.add(line);
        }
    }

    /// Drops the line being edited, and echoes `^C`.
    pub fn abandon(&mut self, screen: &mut dyn FnMut(&[u8])) {
        self.editor.to_end(screen);
        screen(b"^C\n");
        self.editor.clear();
    }

    /// Drops the unread lines. A reader that has not `ended` is a shell; it gets the rest of the
    /// line that it is reading, or an empty line, so that it prompts again.
    pub fn forget(&mut self, ended: bool) {
        let goes_on = !ended && !self.at_start;
        let rest = self.lines.iter().position(is_last).filter(|_| goes_on);
        self.lines.truncate(rest.map_or(0, |last| last + 1));
        if rest.is_none() {
            self.at_start = true;
            if !ended {
                self.lines.push(b'\n');
            }
        }
    }
}

/// A ring buffer.
#[derive(Clone, Debug)]
struct Ring<const SIZE: usize> {
    bytes: [u8; SIZE],
    /// Running counts; a byte is at its count modulo `SIZE`.
    start: usize,
    end: usize,
}

impl<const SIZE: usize> Ring<SIZE> {
    const fn new() -> Ring<SIZE> {
        Ring {
            bytes: [0; SIZE],
            start: 0,
            end: 0,
        }
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn iter(&self) -> impl Iterator<Item = u8> + Clone {
        (0..self.len()).map(|i| self.bytes[(self.start + i) % SIZE])
    }

    fn first(&self) -> Option<u8> {
        self.iter().next()
    }

    /// Adds a byte if there is room.
    fn push(&mut self, byte: u8) {
        if self.len() < SIZE {
            self.bytes[self.end % SIZE] = byte;
            self.end += 1;
        }
    }

    /// Removes the first byte.
    fn pop(&mut self) {
        self.start += usize::from(self.len() > 0);
    }

    /// Drops all but the first `length` bytes.
    fn truncate(&mut self, length: usize) {
        self.end = self.start + length.min(self.len());
    }
}
