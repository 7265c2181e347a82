//! Names of the kernel's functions, which the image builder puts into a section kept free for them.
//!
//! The format, all numbers little-endian: magic `KSYM`, count, base address (64 bits), then for each
//! function its distance from the base and the place of its name, sorted by the distance; then the
//! names, each a byte of length and its text.

use core::str;

const SIZE: usize = 20 << 10;
const MAGIC: u32 = 0x4d59_534b;
const HEADER: usize = 16;

#[unsafe(link_section = ".ksyms")]
#[used]
static TABLE: [u8; SIZE] = [0; SIZE];

fn byte(at: usize) -> u8 {
    // SAFETY: reads within the table. Volatile, since the compiler believes it to be all zero.
    TABLE
        .get(at)
        .map_or(0, |place| unsafe { core::ptr::read_volatile(place) })
}

fn word(at: usize) -> u32 {
    u32::from_le_bytes(core::array::from_fn(|i| byte(at + i)))
}

/// The function that has this instruction, and the distance from its start.
pub fn find(pc: usize) -> Option<(&'static str, usize)> {
    if word(0) != MAGIC {
        return None;
    }
    let count = word(4) as usize;
    let base = word(8) as usize | (word(12) as usize) << 32;
    let wanted = u32::try_from(pc.checked_sub(base)?).ok()?;
    let start = |i: usize| word(HEADER + 8 * i);
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        if start(middle) <= wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let found = low.checked_sub(1)?;
    let names = HEADER + 8 * count;
    let name = names + word(HEADER + 8 * found + 4) as usize;
    let length = byte(name) as usize;
    let text = TABLE.get(name + 1..name + 1 + length)?;
    // The text was read as zeros by the compiler's belief only if it looked through `TABLE`; the
    // slice is opaque to it once its address has been taken at run time.
    let text = core::hint::black_box(text);
    Some((str::from_utf8(text).ok()?, (wanted - start(found)) as usize))
}
