//! Command lines: arguments, messages, exit statuses.

use core::fmt::{self, Display};
use ulib::{env, eprintln};

/// Says on standard error what went wrong, after the program's name.
pub fn complain(message: impl Display) {
    eprintln!("{}: {message}", env::program());
}

/// Says how the program is used; its exit status then.
pub fn usage(text: &str) -> i32 {
    eprintln!("usage: {text}");
    1
}

/// Bytes that are probably text, shown as well as possible.
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

/// A whole number from 0 upwards.
pub fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// Text of a kernel record, without the zero bytes behind it.
pub fn padded(text: &[u8]) -> Text<'_> {
    let length = text.iter().position(|&byte| byte == 0);
    Text(&text[..length.unwrap_or(text.len())])
}
