//! The kernel's symbol table, which the image builder writes into a section reserved for it.

use core::fmt;
use ksyms::{Name, Table};

/// As much as the names of either build take, and some more; a checked build has more functions.
const SIZE: usize = if cfg!(debug_assertions) {
    10 << 10
} else {
    16 << 9
};

#[unsafe(link_section = ".ksyms")]
#[used]
static TABLE: [u8; SIZE] = [0; SIZE];

fn byte(at: usize) -> u8 {
    // SAFETY: reads within the table. Volatile, since the compiler takes it to be all zero.
    TABLE
        .get(at)
        .map_or(0, |place| unsafe { core::ptr::read_volatile(place) })
}

/// The function at this address, its name stored in `name`, and the offset from its start.
pub fn find(pc: usize, name: &mut Name) -> Option<(&str, usize)> {
    Table(byte).find(pc, name)
}

/// An address in the kernel's text. Displays as a space and `function+offset`, or as nothing if there is no
/// symbol for it.
pub struct Symbol(pub usize);

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = [0; _];
        match find(self.0, &mut name) {
            Some((name, offset)) => write!(f, " {name}+{offset:#x}"),
            None => Ok(()),
        }
    }
}
