//! The line that is being typed at a terminal: typed bytes go in, the bytes to show and finished lines
//! come out.
//!
//! [`Input`] is all that a terminal keeps of what was typed. In it, [`Keys`] tells the keys of a terminal
//! from text, [`Editor`] changes the line and shows what it did, and [`History`] keeps earlier lines. All
//! have a fixed size and allocate nothing. Nothing here locks.
//!
//! The editor knows neither where on the screen the line begins nor how wide the screen is. It moves
//! with backspaces and by showing text again, which every terminal understands. So a line that is wider
//! than the terminal is edited as it should be, but steps back over the edge are not seen; Ctrl-R
//! shows the line anew. A character is taken to be one column wide.
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
