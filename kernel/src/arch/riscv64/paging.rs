//! Page tables as the hart sees them: `satp` and fences.

use super::{csr, hart};
use abi::Event;
use core::arch::asm;
use vm::asid::Forget;

/// The value of `satp` for a root table.
pub fn satp(root: u64) -> usize {
    8 << 60 | (root >> 12) as usize
}

const NUMBER_SHIFT: u32 = 44;

/// A value of `satp` with the number (ASID) that this hart marks translations with.
pub fn with_number(satp: usize, number: u16) -> usize {
    satp | usize::from(number) << NUMBER_SHIFT
}

/// The number (ASID) in a value of `satp`.
pub fn number_of(satp: usize) -> u16 {
    (satp >> NUMBER_SHIFT) as u16
}

/// The highest number (ASID) that this hart has: it keeps those of the 16 bits that it implements.
pub fn highest_number() -> u16 {
    let satp = csr::satp::read();
    // SAFETY: the same table; the kernel half is the same under each number.
    unsafe { csr::satp::write(with_number(satp, u16::MAX)) };
    let highest = number_of(csr::satp::read());
    // SAFETY: the register is as it was.
    unsafe { csr::satp::write(satp) };
    flush_all();
    highest
}

/// Makes this hart use a root table, and forget of user addresses what it is told.
///
/// # Safety
/// The table maps the kernel half like all others, and stays until another is loaded; `forget` has
/// everything that the hart remembers under the number and that the table does not say.
pub unsafe fn load(satp: usize, forget: Forget) {
    let forget = || match forget {
        Forget::Nothing => {}
        Forget::Space => flush_space(number_of(satp)),
        Forget::All => flush_all(),
    };
    // Before the number is in use, where it is another: what is to be forgotten may be the way to
    // tables that are something else by now, and hardware walks ahead of any access.
    let before = number_of(csr::satp::read()) != number_of(satp);
    if before {
        forget();
    }
    // SAFETY: the caller's promise.
    unsafe { csr::satp::write(satp) };
    if !before {
        forget();
    }
    see_new_code();
}

/// Makes this hart fetch code that was written, by whatever hart, before.
pub fn see_new_code() {
    // SAFETY: fetching again costs time only.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Makes this hart forget all translations, the kernel's too.
pub fn flush_all() {
    hart::note(Event::FlushAll);
    // SAFETY: forgetting costs time only.
    unsafe { asm!("sfence.vma", options(nostack)) };
}

/// Makes this hart forget the user translations under one number; all, where it has no numbers.
pub fn flush_space(number: u16) {
    if number == 0 {
        return flush_all();
    }
    hart::note(Event::FlushSpace);
    // SAFETY: forgetting costs time only.
    unsafe { asm!("sfence.vma zero, {}", in(reg) usize::from(number), options(nostack)) };
}

/// Makes this hart forget the user translation of one page under one number; whatever the number,
/// where it has none.
pub fn flush_page(address: usize, number: u16) {
    hart::note(Event::FlushPage);
    match number {
        // SAFETY: forgetting costs time only.
        0 => unsafe { asm!("sfence.vma {}, zero", in(reg) address, options(nostack)) },
        // SAFETY: as above.
        _ => unsafe {
            asm!("sfence.vma {}, {}", in(reg) address, in(reg) usize::from(number),
                 options(nostack));
        },
    }
}
