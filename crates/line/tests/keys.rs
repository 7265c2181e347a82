//! The keys of various terminals.

use line::{Key, Keys};

fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Keys::new();
    bytes.iter().filter_map(|&byte| keys.next(byte)).collect()
}

#[test]
fn each_terminals_sequences_are_decoded() {
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

/// Text after a dropped sequence is decoded, so nothing of it is left over.
#[test]
fn unknown_sequences_are_dropped() {
    for sequence in [
        "\x1bx",          // Alt-x
        "\x1b\x1b[Z",     // Alt and Shift-Tab
        "\x1b[2~",        // Insert
        "\x1b[15~",       // F5
        "\x1bOP",         // F1
        "\x1b[[A",        // F1 of Linux's console
        "\x1b[1;5C",      // Ctrl and an arrow
        "\x1b[3;5~",      // Ctrl-Delete
        "\x1b[200~",      // start of bracketed paste
        "\x1b[?1;2c",     // device attributes
        "\x1b[24;80R",    // cursor position
        "\x1b[I",         // focus in
        "\x1b[259~",      // not 259 - 256
        "\x1b[99999999~", // overflow
        "\x1b(B",         // a character set
        "\x1b[ q",
    ] {
        let seen = keys(format!("{sequence}ok").as_bytes());
        let wanted = [Key::Byte(b'o'), Key::Byte(b'k')];
        assert_eq!(seen, wanted, "{}", sequence.escape_debug());
    }
}

/// Escape, then Enter, is Enter.
#[test]
fn control_characters_abort_a_sequence() {
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
fn other_bytes_are_text() {
    for byte in (0..=u8::MAX).filter(|&byte| byte != 0x1b) {
        assert_eq!(keys(&[byte]), [Key::Byte(byte)]);
    }
}
