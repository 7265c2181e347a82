//! Editing: the line and cursor against a model, and the resulting screen.

use line::{Editor, History};
use proptest::prelude::*;

const SIZE: usize = 120;

/// A terminal's last row, and its cursor.
#[derive(Default)]
struct Terminal {
    row: Vec<char>,
    column: usize,
    /// Bytes of an incomplete character.
    part: Vec<u8>,
}

impl Terminal {
    fn show(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.part.push(byte);
            if let Ok(text) = std::str::from_utf8(&self.part) {
                let character = text.chars().next().unwrap();
                self.part.clear();
                self.put(character);
            }
        }
    }

    fn put(&mut self, character: char) {
        match character {
            '\x08' => self.column = self.column.checked_sub(1).expect("left of the line"),
            '\n' => (self.row, self.column) = (Vec::new(), 0),
            _ => {
                self.row.resize(self.row.len().max(self.column + 1), ' ');
                self.row[self.column] = character;
                self.column += 1;
            }
        }
    }

    fn text(&self) -> String {
        self.row.iter().collect::<String>().trim_end().into()
    }
}

#[derive(Clone, Debug)]
enum Stroke {
    Type(char),
    Erase,
    EraseLine,
    ShowAgain,
    Left,
    Right,
    Home,
    End,
    Delete,
    Up,
    Down,
    Enter,
    Junk,
}

impl Stroke {
    fn sent(&self) -> Vec<u8> {
        match self {
            Stroke::Type(character) => character.to_string().into_bytes(),
            Stroke::Erase => b"\x7f".into(),
            Stroke::EraseLine => b"\x15".into(),
            Stroke::ShowAgain => b"\x12".into(),
            Stroke::Left => b"\x1b[D".into(),
            Stroke::Right => b"\x1b[C".into(),
            Stroke::Home => b"\x1b[H".into(),
            Stroke::End => b"\x1bOF".into(),
            Stroke::Delete => b"\x1b[3~".into(),
            Stroke::Up => b"\x1b[A".into(),
            Stroke::Down => b"\x1b[B".into(),
            Stroke::Enter => b"\r".into(),
            Stroke::Junk => b"\x1b[1;5D".into(),
        }
    }
}

fn strokes() -> impl Strategy<Value = Vec<Stroke>> {
    let others = prop::sample::select(vec![
        Stroke::Erase,
        Stroke::Left,
        Stroke::Left,
        Stroke::Right,
        Stroke::Home,
        Stroke::End,
        Stroke::Delete,
        Stroke::Up,
        Stroke::Up,
        Stroke::Down,
        Stroke::Enter,
        Stroke::Junk,
        Stroke::EraseLine,
        Stroke::ShowAgain,
    ]);
    let text = prop::sample::select("abc |ä→𝄞".chars().collect::<Vec<_>>());
    prop::collection::vec(
        prop_oneof![3 => text.prop_map(Stroke::Type), 2 => others],
        0..200,
    )
}

/// The line as characters, and the history.
#[derive(Default)]
struct Model {
    line: Vec<char>,
    cursor: usize,
    /// Newest first.
    before: Vec<Vec<char>>,
    recalled: usize,
    draft: Vec<char>,
}

impl Model {
    fn strike(&mut self, stroke: &Stroke) -> Option<String> {
        match *stroke {
            Stroke::Type(character) => {
                self.line.insert(self.cursor, character);
                self.cursor += 1;
            }
            Stroke::Erase if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            Stroke::EraseLine => self.set(Vec::new()),
            Stroke::Left => self.cursor = self.cursor.saturating_sub(1),
            Stroke::Right => self.cursor = self.line.len().min(self.cursor + 1),
            Stroke::Home => self.cursor = 0,
            Stroke::End | Stroke::ShowAgain => self.cursor = self.line.len(),
            Stroke::Delete if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
            }
            Stroke::Up if self.recalled < self.before.len() => {
                if self.recalled == 0 {
                    self.draft.clone_from(&self.line);
                }
                self.recalled += 1;
                self.set(self.before[self.recalled - 1].clone());
            }
            Stroke::Down if self.recalled > 0 => {
                self.recalled -= 1;
                self.set(match self.recalled {
                    0 => self.draft.clone(),
                    n => self.before[n - 1].clone(),
                });
            }
            Stroke::Enter => return Some(self.finish()),
            _ => {}
        }
        None
    }

    fn set(&mut self, line: Vec<char>) {
        self.cursor = line.len();
        self.line = line;
    }

    fn finish(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        (self.cursor, self.recalled) = (0, 0);
        let text = line.iter().chain(&['\n']).collect();
        if !line.is_empty() && self.before.first() != Some(&line) {
            self.before.insert(0, line);
            let bytes =
                |lines: &[Vec<char>]| lines.iter().flatten().map(|c| c.len_utf8()).sum::<usize>();
            while self.before.len() > 16 || bytes(&self.before) + self.before.len() > 1024 {
                self.before.pop();
            }
        }
        text
    }
}

proptest! {
    #[test]
    fn the_terminal_shows_the_line(strokes in strokes()) {
        let mut editor = Editor::<SIZE>::new();
        let mut history = History::new();
        let mut terminal = Terminal::default();
        let mut model = Model::default();
        for stroke in strokes {
            let full = model.line.iter().map(|c| c.len_utf8()).sum::<usize>() + 8 > SIZE;
            if full && matches!(stroke, Stroke::Type(_)) {
                continue;
            }
            let mut finished = false;
            for byte in stroke.sent() {
                finished = editor.input(byte, SIZE, &history, &mut |bytes| terminal.show(bytes));
            }
            let wanted = model.strike(&stroke);
            prop_assert_eq!(finished, wanted.is_some());
            if let Some(wanted) = wanted {
                prop_assert_eq!(editor.line(), wanted.as_bytes());
                history.add(wanted.trim_end_matches('\n').bytes());
                editor.clear();
            }
            let line: String = model.line.iter().collect();
            prop_assert_eq!(editor.line(), line.as_bytes(), "after {:?}", stroke);
            prop_assert_eq!(terminal.text(), line.trim_end(), "after {:?}", stroke);
            prop_assert_eq!(terminal.column, model.cursor, "the cursor after {:?}", stroke);
        }
    }

    /// Arbitrary bytes do no harm.
    #[test]
    fn any_bytes_are_taken(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\x1b\x1b[[ABCDHF3~\xc3\xa4\xf0\r".as_slice()),
        ], 0..600),
        most in 1_usize..SIZE,
    ) {
        let mut editor = Editor::<SIZE>::new();
        let mut history = History::new();
        for byte in bytes {
            if editor.input(byte, most, &history, &mut |_| {}) {
                let line = editor.line().strip_suffix(b"\n").unwrap_or(editor.line());
                prop_assert!(!line.contains(&b'\n'));
                history.add(line.iter().copied());
                editor.clear();
            }
            prop_assert!(editor.line().len() < most, "a line of {most} bytes is finished");
            prop_assert!(editor.cursor() <= editor.line().len());
        }
    }
}

/// Up arrow saves the draft; it comes back after the newest line.
#[test]
fn the_draft_is_kept() {
    let mut editor = Editor::<SIZE>::new();
    let mut history = History::new();
    history.add(b"first".iter().copied());
    history.add(b"second".iter().copied());
    let mut shows = |typed: &[u8]| {
        for &byte in typed {
            editor.input(byte, SIZE, &history, &mut |_| {});
        }
        String::from_utf8(editor.line().to_vec()).unwrap()
    };
    assert_eq!(shows(b"dra\x1b[A"), "second");
    assert_eq!(shows(b"\x1b[A"), "first");
    assert_eq!(shows(b"\x1b[A"), "first");
    assert_eq!(shows(b"\x1b[B"), "second");
    assert_eq!(shows(b"\x1b[B"), "dra");
    assert_eq!(shows(b"\x1b[Bft"), "draft");
}
