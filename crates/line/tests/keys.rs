//! Which keys come of what terminals send.

use line::{Key, Keys};

fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Keys::new();
    bytes.iter().filter_map(|&byte| keys.next(byte)).collect()
}

#[test]
fn each_terminal_has_its_own() {
    for (key, sent) in [
        (Key::Up, [b"\x1b[A", b"\x1bOA"].as_slice()),
        (Key::Down, &[b"\x1b[B", b"\x1bOB"]),
        (Key::Right, &[b"\x1b[C", b"\x1bOC"]),
        (Key::Left, &[b"\x1b[D", b"\x1bOD"]),
        (Key::Home, &[b"\x1b[H", b"\x1bOH"]),
        (Key::End, &[b"\x1b[F", b"\x1bOF"]),
    ] {
        for sequence in sent {
            assert_eq!(keys(*sequence), [key], "{}", sequence.escape_ascii());
        }
    }
    for (number, key) in [
        (1, Key::Home),
        (7, Key::Home),
        (4, Key::End),
        (8, Key::End),
        (3, Key::Delete),
    ] {
        let sequence = format!("\x1b[{number}~");
        assert_eq!(keys(sequence.as_bytes()), [key], "ESC [ {number} ~");
    }
}

/// What is behind a sequence is text again, so nothing of it was left.
#[test]
fn all_others_are_dropped() {
    for sequence in [
        "\x1bx",          // Alt-x
        "\x1b\x1b[Z",     // Alt and Shift-Tab
        "\x1b[2~",        // Insert
        "\x1b[15~",       // F5
        "\x1bOP",         // F1
        "\x1b[[A",        // F1 of Linux's console
        "\x1b[1;5C",      // Ctrl and an arrow
        "\x1b[3;5~",      // Ctrl-Delete
        "\x1b[200~",      // the beginning of pasted text
        "\x1b[?1;2c",     // what the terminal is
        "\x1b[24;80R",    // where the cursor is
        "\x1b[I",         // the window is looked at
        "\x1b[259~",      // no key has this number, nor 259 - 256
        "\x1b[99999999~", // nor this one
        "\x1b(B",         // a character set
        "\x1b[ q",
    ] {
        let seen = keys(format!("{sequence}ok").as_bytes());
        let wanted = [Key::Byte(b'o'), Key::Byte(b'k')];
        assert_eq!(seen, wanted, "{}", sequence.escape_debug());
    }
}

/// Who presses Escape and then Enter wants Enter.
#[test]
fn control_characters_break_a_sequence_off() {
    for begun in [
        "\x1b", "\x1b[", "\x1b[1", "\x1b[1;", "\x1bO", "\x1b(", "\x1b[[",
    ] {
        for byte in [b'\r', 0x04, 0x7f, 0xc3] {
            let mut bytes = begun.as_bytes().to_vec();
            bytes.extend([byte, b'a']);
            let wanted = [Key::Byte(byte), Key::Byte(b'a')];
            assert_eq!(keys(&bytes), wanted, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn all_else_is_text() {
    for byte in (0..=u8::MAX).filter(|&byte| byte != 0x1b) {
        assert_eq!(keys(&[byte]), [Key::Byte(byte)]);
    }
}
