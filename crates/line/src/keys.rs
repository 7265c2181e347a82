//! Decodes a terminal's bytes into keys: ECMA-48, and the variants of xterm, the VT220 and the
//! Linux console.

const ESCAPE: u8 = 0x1b;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A byte outside escape sequences.
    Byte(u8),
    /// Left arrow.
    Left,
    /// Right arrow.
    Right,
    /// Up arrow.
    Up,
    /// Down arrow.
    Down,
    /// Start of line.
    Home,
    /// End of line.
    End,
    /// Deletes the character at the cursor.
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and intermediate bytes.
    Announced,
    /// After ESC O (SS3).
    Single,
    /// After ESC [ (CSI).
    Begun,
    /// After ESC [ and a number; `None` for other parameters.
    Number(Option<u8>),
    /// After ESC [ [, which starts function keys on the Linux console.
    Function,
}

/// The decoder. It drops unknown sequences. A control character or a byte outside ASCII aborts a
/// sequence and is decoded by itself.
#[derive(Clone, Debug)]
pub struct Keys {
    state: State,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys::new()
    }
}

impl Keys {
    /// A decoder outside any sequence.
    pub const fn new() -> Keys {
        Keys { state: State::Text }
    }

    /// Takes the next byte; returns the key that it completes.
    pub fn next(&mut self, byte: u8) -> Option<Key> {
        let state = core::mem::replace(&mut self.state, State::Text);
        if byte == ESCAPE {
            self.state = State::Escape;
            return None;
        }
        if state == State::Text || !matches!(byte, b' '..=b'~') {
            return Some(Key::Byte(byte));
        }
        let (next, key) = match (state, byte) {
            (State::Escape, b'[') => (State::Begun, None),
            (State::Escape, b'O') => (State::Single, None),
            (State::Escape | State::Announced, b' '..=b'/') => (State::Announced, None),
            (State::Begun, b'[') => (State::Function, None),
            (State::Begun, b'0'..=b'9') => (State::Number(Some(byte - b'0')), None),
            (State::Number(number), b'0'..=b'9') => {
                (State::Number(append_digit(number, byte)), None)
            }
            (State::Begun | State::Number(_), b' '..=b'?') => (State::Number(None), None),
            (State::Number(Some(number)), b'~') => (State::Text, numbered(number)),
            (State::Begun | State::Single, _) => (State::Text, lettered(byte)),
            _ => (State::Text, None),
        };
        self.state = next;
        key
    }
}

/// Appends a digit; `None` if the number is too large for a key.
fn append_digit(number: Option<u8>, digit: u8) -> Option<u8> {
    number?.checked_mul(10)?.checked_add(digit - b'0')
}

/// Keys that end in a letter.
fn lettered(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

/// Keys of a number and a tilde.
fn numbered(number: u8) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        _ => return None,
    })
}
