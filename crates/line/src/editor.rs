//! The line editor.

use crate::{END_OF_INPUT, History, Key, Keys, control, utf8};

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const ERASE_LINE: u8 = control(b'U');
const REDRAW: u8 = control(b'R');

/// Receives the bytes to echo.
type Screen<'a> = &'a mut dyn FnMut(&[u8]);

/// A line of at most `SIZE` bytes, with a cursor.
///
/// Input at the end of the line echoes as on a terminal without a cursor: each byte as typed, and
/// backspace, space, backspace for each byte erased.
#[derive(Clone, Debug)]
pub struct Editor<const SIZE: usize> {
    keys: Keys,
    line: Text<SIZE>,
    /// Bytes before the cursor.
    cursor: usize,
    /// The history line shown, counted from the newest; 0 for the line being typed, else saved in
    /// `draft`.
    recalled: usize,
    draft: Text<SIZE>,
}

#[derive(Clone, Copy, Debug)]
struct Text<const SIZE: usize> {
    bytes: [u8; SIZE],
    length: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    const EMPTY: Text<SIZE> = Text {
        bytes: [0; SIZE],
        length: 0,
    };

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn set(&mut self, text: &[u8]) {
        self.length = text.len().min(SIZE);
        self.bytes[..self.length].copy_from_slice(&text[..self.length]);
    }

    /// Returns false if there is no room.
    fn insert(&mut self, place: usize, byte: u8) -> bool {
        let room = self.length < SIZE;
        if room {
            self.bytes.copy_within(place..self.length, place + 1);
            self.bytes[place] = byte;
            self.length += 1;
        }
        room
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.bytes.copy_within(to..self.length, from);
        self.length -= to - from;
    }
}

impl<const SIZE: usize> Default for Editor<SIZE> {
    fn default() -> Editor<SIZE> {
        Editor::new()
    }
}

impl<const SIZE: usize> Editor<SIZE> {
    /// An empty line.
    pub const fn new() -> Editor<SIZE> {
        Editor {
            keys: Keys::new(),
            line: Text::EMPTY,
            cursor: 0,
            recalled: 0,
            draft: Text::EMPTY,
        }
    }

    /// The line, with its terminator once finished.
    pub fn line(&self) -> &[u8] {
        self.line.bytes()
    }

    /// The cursor's position.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Starts a new line; leaves the screen as it is.
    pub fn clear(&mut self) {
        self.keys = Keys::new();
        self.line.length = 0;
        self.cursor = 0;
        self.recalled = 0;
    }

    /// Takes a typed byte and echoes its effect; true when the line is finished. A line of `most`
    /// bytes is finished too; it must have been shorter before.
    pub fn input(&mut self, byte: u8, most: usize, history: &History, screen: Screen) -> bool {
        let most = most.min(SIZE);
        match self.keys.next(byte) {
            None => {}
            Some(Key::Byte(byte)) => return self.byte(byte, most, screen),
            Some(Key::Left) => self.left(screen),
            Some(Key::Right) => self.right(screen),
            Some(Key::Home) => {
                back(utf8::columns(self.before()), screen);
                self.cursor = 0;
            }
            Some(Key::End) => self.to_end(screen),
            Some(Key::Delete) => {
                let end = self.cursor + utf8::first(self.behind());
                self.remove(self.cursor, end, screen);
            }
            Some(Key::Up) => self.recall(self.recalled + 1, most, history, screen),
            Some(Key::Down) => {
                if let Some(later) = self.recalled.checked_sub(1) {
                    self.recall(later, most, history, screen);
                }
            }
        }
        false
    }

    fn byte(&mut self, byte: u8, most: usize, screen: Screen) -> bool {
        match byte {
            BACKSPACE | DELETE => {
                let end = self.cursor;
                self.left(screen);
                self.remove(self.cursor, end, screen);
            }
            ERASE_LINE => self.erase_line(screen),
            REDRAW => {
                self.to_end(screen);
                screen(b"\n");
                screen(self.line());
            }
            b'\r' | b'\n' => {
                self.to_end(screen);
                self.insert(b'\n', screen);
                return true;
            }
            END_OF_INPUT => {
                self.to_end(screen);
                self.insert(byte, &mut |_| {});
                return true;
            }
            _ => {
                self.insert(byte, screen);
                return self.line.length >= most;
            }
        }
        false
    }

    /// The text before the cursor.
    fn before(&self) -> &[u8] {
        self.line().get(..self.cursor).unwrap_or_default()
    }

    /// The text from the cursor on.
    fn behind(&self) -> &[u8] {
        self.line().get(self.cursor..).unwrap_or_default()
    }

    fn left(&mut self, screen: Screen) {
        if self.cursor > 0 {
            self.cursor = utf8::last(self.before());
            back(1, screen);
        }
    }

    fn right(&mut self, screen: Screen) {
        let count = utf8::first(self.behind());
        screen(self.behind().get(..count).unwrap_or_default());
        self.cursor += count;
    }

    /// Moves the cursor to the end of the line.
    pub fn to_end(&mut self, screen: Screen) {
        screen(self.behind());
        self.cursor = self.line.length;
    }

    /// Inserts a byte at the cursor. In the middle of a line a multi-byte character is echoed when
    /// complete.
    fn insert(&mut self, byte: u8, screen: Screen) {
        if !self.line.insert(self.cursor, byte) {
            return;
        }
        self.cursor += 1;
        if self.behind().is_empty() {
            return screen(&[byte]);
        }
        let start = utf8::last(self.before());
        if utf8::is_whole(self.before().get(start..).unwrap_or_default()) {
            screen(self.line().get(start..).unwrap_or_default());
            back(utf8::columns(self.behind()), screen);
        }
    }

    /// Removes `from..to`, the character at the cursor or nothing.
    fn remove(&mut self, from: usize, to: usize, screen: Screen) {
        if from < to {
            self.line.remove(from, to);
            screen(self.behind());
            screen(b" ");
            back(utf8::columns(self.behind()) + 1, screen);
        }
    }

    fn erase_line(&mut self, screen: Screen) {
        self.to_end(screen);
        for _ in 0..utf8::columns(self.line()) {
            screen(b"\x08 \x08");
        }
        self.line.length = 0;
        self.cursor = 0;
    }

    /// Replaces the line by the `n`th newest of the history, or with 0 by the draft, if it exists
    /// and leaves room to type.
    fn recall(&mut self, n: usize, most: usize, history: &History, screen: Screen) {
        let length = match n {
            0 => Some(self.draft.length),
            n => history.nth(n).map(<[u8]>::len),
        };
        if length.is_none_or(|length| length >= most) {
            return;
        }
        if self.recalled == 0 {
            self.draft.set(self.line.bytes());
        }
        self.recalled = n;
        self.erase_line(screen);
        match history.nth(n) {
            Some(text) => self.line.set(text),
            None => self.line.set(self.draft.bytes()),
        }
        self.to_end(screen);
    }
}

/// Moves the terminal's cursor back.
fn back(columns: usize, screen: Screen) {
    for _ in 0..columns {
        screen(b"\x08");
    }
}
