//! `satp` and TLB flushes.

use super::{csr, hart};
use abi::Event;
use core::arch::asm;
use vm::Flush;

/// The value of `satp` for a root table, with ASID 0.
pub fn satp(root: u64) -> usize {
    8 << 60 | (root >> 12) as usize
}

const ASID_SHIFT: u32 = 44;

/// `satp`, which has ASID 0, with this ASID.
pub fn with_asid(satp: usize, asid: u16) -> usize {
    satp | usize::from(asid) << ASID_SHIFT
}

/// The ASID in a value of `satp`.
pub fn asid_of(satp: usize) -> u16 {
    (satp >> ASID_SHIFT) as u16
}

/// The highest ASID that this hart implements: unimplemented bits of the field read as zero.
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

/// Switches this hart to another root table, and flushes `stale` and the instruction cache.
///
/// # Safety
/// The table has the same kernel half as all others, and is not freed before another is loaded. `stale` covers
/// every TLB entry under the ASID that differs from the table.
pub unsafe fn load(satp: usize, stale: Flush) {
    let asid = asid_of(satp);
    // A new ASID is flushed before it is in use: hardware walks the table speculatively, and a stale cached
    // pointer to a table may point to a page that has been reused.
    let before = asid_of(csr::satp::read()) != asid;
    if before {
        flush(asid, stale);
    }
    // SAFETY: the caller's promise.
    unsafe { csr::satp::write(satp) };
    if !before {
        flush(asid, stale);
    }
    fence_i();
}

/// Flushes stale entries under an ASID from this hart's TLB.
#[inline]
pub fn flush(asid: u16, stale: Flush) {
    match stale {
        Flush::Nothing => {}
        Flush::Page(address) => flush_page(address as usize, asid),
        Flush::Space => flush_space(asid),
        Flush::All => flush_all(),
    }
}

/// Makes this hart's instruction fetches see all earlier stores, by any hart, that it can see.
pub fn fence_i() {
    // SAFETY: the fence costs time only.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Flushes this hart's whole TLB, including the kernel's translations.
pub fn flush_all() {
    hart::note(Event::FlushAll);
    // SAFETY: a flush costs time only.
    unsafe { asm!("sfence.vma", options(nostack)) };
}

/// Flushes the translations under one ASID; everything if there are no ASIDs.
fn flush_space(asid: u16) {
    if asid == 0 {
        return flush_all();
    }
    hart::note(Event::FlushSpace);
    // SAFETY: a flush costs time only.
    unsafe { asm!("sfence.vma zero, {}", in(reg) usize::from(asid), options(nostack)) };
}

/// Flushes the translation of one page under one ASID; under any if there are no ASIDs.
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
