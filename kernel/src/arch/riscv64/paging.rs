//! Page tables as the hart sees them: `satp` and fences.

use super::{csr, hart};
use abi::Event;
use core::arch::asm;
use vm::Flush;

/// The value of `satp` for a root table.
pub fn satp(root: u64) -> usize {
    8 << 60 | (root >> 12) as usize
}

const ASID_SHIFT: u32 = 44;

/// A value of `satp` with an ASID.
pub fn with_asid(satp: usize, asid: u16) -> usize {
    satp | usize::from(asid) << ASID_SHIFT
}

/// The ASID in a value of `satp`.
pub fn asid_of(satp: usize) -> u16 {
    (satp >> ASID_SHIFT) as u16
}

/// The highest ASID that this hart has: the register keeps those of the 16 bits that are implemented.
pub fn highest_asid() -> u16 {
    let satp = csr::satp::read();
    // SAFETY: the same table; the kernel half is the same under each ASID.
    unsafe { csr::satp::write(with_asid(satp, u16::MAX)) };
    let highest = asid_of(csr::satp::read());
    // SAFETY: the register is as it was.
    unsafe { csr::satp::write(satp) };
    flush_all();
    highest
}

/// Makes this hart use a root table, and flushes its TLB as it is told.
///
/// # Safety
/// The table maps the kernel half like all others, and stays until another is loaded; `stale` has
/// everything that the TLB may have under the ASID and that the table does not have.
pub unsafe fn load(satp: usize, stale: Flush) {
    let asid = asid_of(satp);
    // Before the ASID is in use, where it is another: hardware walks ahead of any access, and a stale way to
    // a table may lead to what is something else by now.
    let before = asid_of(csr::satp::read()) != asid;
    if before {
        flush(asid, stale);
    }
    // SAFETY: the caller's promise.
    unsafe { csr::satp::write(satp) };
    if !before {
        flush(asid, stale);
    }
    see_new_code();
}

/// Flushes this hart's TLB of what is stale under an ASID.
#[inline]
pub fn flush(asid: u16, stale: Flush) {
    match stale {
        Flush::Nothing => {}
        Flush::Page(address) => flush_page(address as usize, asid),
        Flush::Space => flush_space(asid),
        Flush::All => flush_all(),
    }
}

/// Makes this hart fetch code that was written, by whatever hart, before.
pub fn see_new_code() {
    // SAFETY: fetching again costs time only.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Flushes all of this hart's TLB, the kernel's translations too.
pub fn flush_all() {
    hart::note(Event::FlushAll);
    // SAFETY: a flush costs time only.
    unsafe { asm!("sfence.vma", options(nostack)) };
}

/// Flushes the user translations under one ASID; all, where there are no ASIDs.
fn flush_space(asid: u16) {
    if asid == 0 {
        return flush_all();
    }
    hart::note(Event::FlushSpace);
    // SAFETY: a flush costs time only.
    unsafe { asm!("sfence.vma zero, {}", in(reg) usize::from(asid), options(nostack)) };
}

/// Flushes the user translation of one page under one ASID; under any, where there are none.
fn flush_page(address: usize, asid: u16) {
    hart::note(Event::FlushPage);
    match asid {
        // SAFETY: a flush costs time only.
        0 => unsafe { asm!("sfence.vma {}, zero", in(reg) address, options(nostack)) },
        // SAFETY: as above.
        _ => unsafe {
            asm!("sfence.vma {}, {}", in(reg) address, in(reg) usize::from(asid),
                 options(nostack));
        },
    }
}
