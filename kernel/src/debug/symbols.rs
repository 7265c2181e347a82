//! Names of the kernel's functions, which the image builder puts into a section kept free for them.
//!
//! The format, all numbers little-endian: magic `KSYM`, count, base address (64 bits), then for each
//! function, sorted by address, half its distance from the one before (16 bits), how many bytes of
//! that one's name begin its own, how many further ones there are (a byte each), and these. So the
//! names take half of the room that they would take in full, and are looked for from the start.

use core::str;

const SIZE: usize = 10 << 10;
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

/// Room for a name.
pub type Name = [u8; u8::MAX as usize];

/// The function that has this instruction, and the distance from its start. Its name is put together
/// in `name`.
pub fn find(pc: usize, name: &mut Name) -> Option<(&str, usize)> {
    if word(0) != MAGIC {
        return None;
    }
    let base = word(8) as usize | (word(12) as usize) << 32;
    let wanted = pc.checked_sub(base)?;
    let (mut at, mut start, mut length) = (HEADER, 0, 0);
    for _ in 0..word(4) {
        let next = start + 2 * (word(at) as usize & 0xffff);
        if next > wanted {
            break;
        }
        let (alike, further) = (usize::from(byte(at + 2)), usize::from(byte(at + 3)));
        at += 4;
        for place in name.iter_mut().skip(alike).take(further) {
            *place = byte(at);
            at += 1;
        }
        (start, length) = (next, alike + further);
    }
    let name = str::from_utf8(name.get(..length)?).ok()?;
    Some((name, wanted - start))
}
