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

/// The key at the letter, held with Ctrl.
pub const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

/// Ends the input: the line so far goes to the program without a newline.
pub const END_OF_INPUT: u8 = control(b'D');
