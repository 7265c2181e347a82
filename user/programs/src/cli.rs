//! Command lines: arguments, messages, exit statuses.

use core::fmt::{self, Display};
use ulib::{env, eprintln};

/// Prints an error message to standard error, with the program's name.
pub fn complain(message: impl Display) {
    eprintln!("{}: {message}", env::program());
}

/// Prints a usage line; returns the exit status.
pub fn usage(text: &str) -> i32 {
    eprintln!("usage: {text}");
    1
}

/// Displays bytes that are probably text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chunks = self.0.utf8_chunks();
        chunks.try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() {
                Ok(())
            } else {
                f.write_str("\u{fffd}")
            }
        })
    }
}

/// Parses a non-negative integer.
pub fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// Text of a kernel record, without its zero padding.
pub fn padded(text: &[u8]) -> Text<'_> {
    let length = text.iter().position(|&byte| byte == 0);
    Text(&text[..length.unwrap_or(text.len())])
}
