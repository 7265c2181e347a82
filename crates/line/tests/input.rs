//! What programs read, and the effect of Ctrl-C.

use line::Input;
use proptest::prelude::*;

const SIZE: usize = 32;

/// Types bytes; returns the echo.
fn typed(input: &mut Input<SIZE>, bytes: &[u8]) -> Vec<u8> {
    let mut shown: Vec<u8> = Vec::new();
    for &byte in bytes {
        assert!(input.has_room(), "room for {}", bytes.escape_ascii());
        input.add(byte, &mut |bytes| shown.extend(bytes));
    }
    shown
}

/// One read of at most `most` bytes, in pieces; `None` if it would block.
fn read(input: &mut Input<SIZE>, most: usize, piece: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while all.len() < most && (input.has_line() || all.is_empty()) {
        if !input.has_line() {
            return None;
        }
        let mut buffer = vec![0; piece.min(most - all.len())];
        let (count, last) = input.take(&mut buffer, all.len());
        all.extend(&buffer[..count]);
        if last {
            break;
        }
    }
    Some(all)
}

fn recalled(input: &mut Input<SIZE>) -> Vec<u8> {
    let shown = typed(input, b"\x1b[A");
    typed(input, b"\x15");
    shown
}

#[test]
fn a_read_gets_at_most_a_line() {
    for piece in [1, 3, SIZE] {
        let mut input = Input::new();
        typed(&mut input, b"one\ntwo\rthr");
        assert_eq!(read(&mut input, 99, piece).unwrap(), b"one\n");
        assert_eq!(read(&mut input, 2, piece).unwrap(), b"tw");
        assert_eq!(read(&mut input, 99, piece).unwrap(), b"o\n");
        assert_eq!(read(&mut input, 99, piece), None);
        typed(&mut input, b"ee\x04\x04");
        assert_eq!(read(&mut input, 99, piece).unwrap(), b"three");
        assert_eq!(read(&mut input, 99, piece).unwrap(), b"");
        assert_eq!(read(&mut input, 99, piece).unwrap(), b"");
        assert_eq!(read(&mut input, 99, piece), None);
    }
}

#[test]
fn a_full_buffer_can_be_read() {
    let mut input = Input::new();
    typed(&mut input, b"0123456789\n");
    typed(&mut input, &[b'x'; SIZE - 11]);
    assert!(!input.has_room());
    assert_eq!(read(&mut input, 99, SIZE).unwrap(), b"0123456789\n");
    assert_eq!(read(&mut input, 99, SIZE).unwrap(), [b'x'; SIZE - 11]);
    assert!(input.has_room() && !input.has_line());
}

#[test]
fn lines_enter_the_history_when_a_shell_reads_them() {
    let mut input = Input::new();
    typed(&mut input, b"cat\n");
    assert_eq!(recalled(&mut input), b"");
    input.remember();
    read(&mut input, 1, 1);
    // The rest of a partly read line is not added.
    input.remember();
    read(&mut input, 99, 1);
    assert_eq!(recalled(&mut input), b"cat");
    typed(&mut input, b"for cat\n");
    read(&mut input, 99, 1);
    assert_eq!(recalled(&mut input), b"cat");
}

#[test]
fn an_interrupt_drops_the_input_of_an_ended_reader() {
    let mut input = Input::new();
    typed(&mut input, b"for it\nfor it too\nhal\x1b[D\x1b[D");
    read(&mut input, 3, 1);
    let mut shown: Vec<u8> = Vec::new();
    input.abandon(&mut |bytes| shown.extend(bytes));
    assert_eq!(shown, b"al^C\n");
    input.forget(true);
    assert_eq!(read(&mut input, 99, SIZE), None);
    assert_eq!(typed(&mut input, b"ls\n"), b"ls\n");
    input.remember();
    assert_eq!(read(&mut input, 99, SIZE).unwrap(), b"ls\n");
    assert_eq!(recalled(&mut input), b"ls");
}

#[test]
fn a_shell_gets_an_empty_line_or_the_rest_of_its_line() {
    let mut input = Input::new();
    typed(&mut input, b"ahead\n\x1b[");
    input.abandon(&mut |_| {});
    input.forget(false);
    assert_eq!(read(&mut input, 99, SIZE).unwrap(), b"\n");
    assert_eq!(read(&mut input, 99, SIZE), None);

    typed(&mut input, b"ls -l\nahead\n");
    read(&mut input, 2, 1);
    input.abandon(&mut |_| {});
    input.forget(false);
    assert_eq!(read(&mut input, 99, SIZE).unwrap(), b" -l\n");
    assert_eq!(read(&mut input, 99, SIZE), None);
}

#[derive(Clone, Debug)]
enum Step {
    Type(u8),
    Read { most: usize, piece: usize },
    Interrupt { ended: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let byte = prop_oneof![
        prop::sample::select(b"\n\r\x04\x7f\x15\x1b[ABCD".as_slice()),
        prop::sample::select(b"abcde".as_slice()),
        any::<u8>(),
    ];
    let step = prop_oneof![
        20 => byte.prop_map(Step::Type),
        3 => (1_usize..40, 1_usize..9).prop_map(|(most, piece)| Step::Read { most, piece }),
        1 => any::<bool>().prop_map(|ended| Step::Interrupt { ended }),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    /// There is always room to type or a line to read.
    #[test]
    fn there_is_no_deadlock(steps in steps()) {
        let mut input = Input::<SIZE>::new();
        for step in steps {
            match step {
                Step::Type(byte) => {
                    if !input.has_room() {
                        prop_assert!(input.has_line(), "full, and nothing to read");
                        input.remember();
                        read(&mut input, 99, 5);
                    }
                    input.add(byte, &mut |_| {});
                }
                Step::Read { most, piece } => {
                    let line = read(&mut input, most, piece).unwrap_or_default();
                    prop_assert!(line.len() <= most);
                    let end = line.iter().position(|&byte| byte == b'\n');
                    prop_assert!(end.is_none_or(|end| end + 1 == line.len()), "two lines at once");
                }
                Step::Interrupt { ended } => {
                    input.abandon(&mut |_| {});
                    input.forget(ended);
                    prop_assert_eq!(input.has_line(), !ended);
                }
            }
        }
    }
}
