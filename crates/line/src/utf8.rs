//! Characters in UTF-8, as far as a terminal cares: where one begins, and when it is whole. Bytes that
//! are not UTF-8 do no harm.

/// Whether the byte goes on with a character.
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Columns that the text takes.
pub(crate) fn columns(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| !continues(byte)).count()
}

/// Where the last character of the text begins.
pub(crate) fn last(text: &[u8]) -> usize {
    text.iter().rposition(|&b| !continues(b)).unwrap_or(0)
}

/// Where the first character of the text ends.
pub(crate) fn first(text: &[u8]) -> usize {
    let behind = text.iter().skip(1).position(|&b| !continues(b));
    behind.map_or(text.len(), |place| place + 1)
}

/// Whether the character has all its bytes.
pub(crate) fn is_whole(character: &[u8]) -> bool {
    let length = match character.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    character.len() >= length
}
