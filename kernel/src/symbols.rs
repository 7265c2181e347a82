//! Names of the kernel's functions, which the image builder puts into a section kept free for them.

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
    // SAFETY: reads within the table. Volatile, since the compiler believes it to be all zero.
    TABLE
        .get(at)
        .map_or(0, |place| unsafe { core::ptr::read_volatile(place) })
}

/// The function that has this instruction, and the distance from its start. Its name is put together
/// in `name`.
pub fn find(pc: usize, name: &mut Name) -> Option<(&str, usize)> {
    Table(byte).find(pc, name)
}

/// An address in the kernel's code. Printed as a blank, the function's name and the distance from its
/// start; as nothing where no function is known.
pub struct Place(pub usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = [0; _];
        match find(self.0, &mut name) {
            Some((name, offset)) => write!(f, " {name}+{offset:#x}"),
            None => Ok(()),
        }
    }
}
