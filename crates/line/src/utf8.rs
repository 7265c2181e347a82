//! UTF-8 character boundaries. Invalid bytes are tolerated.

/// Whether it is a continuation byte.
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The text's width in columns.
pub(crate) fn columns(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| !continues(byte)).count()
}

/// The start of the last character.
pub(crate) fn last(text: &[u8]) -> usize {
    text.iter().rposition(|&b| !continues(b)).unwrap_or(0)
}

/// The end of the first character.
pub(crate) fn first(text: &[u8]) -> usize {
    let behind = text.iter().skip(1).position(|&b| !continues(b));
    behind.map_or(text.len(), |place| place + 1)
}

/// Whether the character is complete.
pub(crate) fn is_whole(character: &[u8]) -> bool {
    let length = match character.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    character.len() >= length
}
