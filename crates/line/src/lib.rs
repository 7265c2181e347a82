#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod editor;
mod history;
mod input;
mod keys;
mod utf8;

pub use editor::Editor;
pub use history::History;
pub use input::Input;
pub use keys::{Key, Keys};

/// The byte of Ctrl and this letter.
pub const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

/// End of input: passes the line to the program without a newline.
pub const END_OF_INPUT: u8 = control(b'D');
