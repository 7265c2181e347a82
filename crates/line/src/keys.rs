//! Which keys the bytes from a terminal stand for: ECMA-48, with the variants that xterm, the VT220
//! and Linux's console have.

const ESCAPE: u8 = 0x1b;

/// What a terminal sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A byte that is in no escape sequence.
    Byte(u8),
    /// The arrow to the left.
    Left,
    /// The arrow to the right.
    Right,
    /// The arrow upwards.
    Up,
    /// The arrow downwards.
    Down,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Deletes what the cursor is on.
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and bytes that announce one more.
    Announced,
    /// Behind ESC O.
    Single,
    /// Behind ESC [.
    Begun,
    /// Behind ESC [ and a number; none where there is more than a number.
    Number(Option<u8>),
    /// Behind ESC [ [, as Linux's console begins function keys.
    Function,
}

/// Finds the keys in a stream of bytes. Sequences that are no [`Key`] are dropped; one that breaks off
/// with a control character, or with a byte that is not ASCII, ends before that.
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
    /// In no sequence.
    pub const fn new() -> Keys {
        Keys { state: State::Text }
    }

    /// Takes the next byte; the key that it completes.
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
            (State::Number(number), b'0'..=b'9') => (State::Number(longer(number, byte)), None),
            (State::Begun | State::Number(_), b' '..=b'?') => (State::Number(None), None),
            (State::Number(Some(number)), b'~') => (State::Text, numbered(number)),
            (State::Begun | State::Single, _) => (State::Text, lettered(byte)),
            _ => (State::Text, None),
        };
        self.state = next;
        key
    }
}

/// The number with one more digit; none where it is too long to be a key's.
fn longer(number: Option<u8>, digit: u8) -> Option<u8> {
    number?.checked_mul(10)?.checked_add(digit - b'0')
}

/// The keys that have a letter.
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

/// The keys that have a number, before a tilde.
fn numbered(number: u8) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        _ => return None,
    })
}
