//! Without escape sequences the editor's echo is that of a terminal without a cursor, byte for
//! byte: scripts rely on it.

use line::{Editor, History};
use proptest::prelude::*;

/// A model of a line that is edited at its end only: its echo, and when it is finished.
#[derive(Default)]
struct Plain {
    line: Vec<u8>,
    shown: Vec<u8>,
}

impl Plain {
    fn erase(&mut self) -> bool {
        let any = self.line.pop().is_some();
        if any {
            self.shown.extend(b"\x08 \x08");
        }
        any
    }

    fn input(&mut self, byte: u8, most: usize) -> bool {
        match byte {
            0x15 => while self.erase() {},
            0x08 | 0x7f => {
                self.erase();
            }
            _ => {
                let byte = if byte == b'\r' { b'\n' } else { byte };
                if byte != 0x04 {
                    self.shown.push(byte);
                }
                self.line.push(byte);
                return matches!(byte, b'\n' | 0x04) || self.line.len() == most;
            }
        }
        false
    }
}

/// All ASCII bytes except Escape and Ctrl-R.
fn typed() -> impl Strategy<Value = Vec<u8>> {
    let any = (0_u8..0x80).prop_filter("new", |byte| !matches!(byte, 0x1b | 0x12));
    let often = prop::sample::select(b"\r\n\x04\x08\x7f\x15".as_slice());
    let text = prop::sample::select(b"echo | wc ls".as_slice());
    prop::collection::vec(prop_oneof![1 => any, 2 => often, 8 => text], 0..400)
}

proptest! {
    #[test]
    fn plain_input_echoes_as_typed(typed in typed(), most in 1_usize..40) {
        let mut editor = Editor::<64>::new();
        let mut history = History::new();
        let mut plain = Plain::default();
        let mut shown: Vec<u8> = Vec::new();
        for byte in typed {
            let finished = editor.input(byte, most, &history, &mut |bytes| shown.extend(bytes));
            prop_assert_eq!(finished, plain.input(byte, most), "whether {:#x} ends the line", byte);
            prop_assert_eq!(editor.line(), &plain.line);
            prop_assert_eq!(&shown, &plain.shown);
            if finished {
                history.add(plain.line.iter().copied());
                plain.line.clear();
                editor.clear();
            }
        }
    }
}

#[test]
fn a_full_editor_drops_input() {
    let mut editor = Editor::<4>::new();
    let mut shown: Vec<u8> = Vec::new();
    let history = History::new();
    let finished = b"abcdef".map(|byte| editor.input(byte, 9, &history, &mut |b| shown.extend(b)));
    assert_eq!(finished, [false, false, false, true, true, true]);
    assert_eq!((editor.line(), &shown[..]), (&b"abcd"[..], &b"abcd"[..]));
}
