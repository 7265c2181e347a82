//! The entry format Sv39 (RISC-V privileged specification, "Sv39: Page-Based 39-bit Virtual-Memory System").
//! Only this module knows the bits and the number of levels.

use abi::Prot;
use frames::Pfn;

/// Levels of tables.
pub const LEVELS: u32 = 3;
/// Bits of a virtual address. Higher bits repeat the highest, so the lower half of a root table is for the
/// lowest addresses, the upper half for the highest.
pub const ADDRESS_BITS: u32 = PAGE_SHIFT + LEVELS * INDEX_BITS;
/// Entries of a table.
pub const ENTRIES: usize = 1 << INDEX_BITS;

/// Bits of an address within a page.
pub(crate) const PAGE_SHIFT: u32 = 12;
/// Bits of an address that index a table.
pub(crate) const INDEX_BITS: u32 = 9;

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Bits: u64 {
        const VALID = 1 << 0;
        const READ = 1 << 1;
        const WRITE = 1 << 2;
        const EXEC = 1 << 3;
        const USER = 1 << 4;
        const GLOBAL = 1 << 5;
        const ACCESSED = 1 << 6;
        const DIRTY = 1 << 7;
        const READ_WRITE = Self::READ.bits() | Self::WRITE.bits();
        /// Keeps the frame of a page without permissions. Hardware ignores all other bits if `VALID` is clear.
        const PROT_NONE = Self::USER.bits();
        /// The first of the two bits reserved for software (RSW): a page table is deposited for the entry.
        const DEPOSIT = 1 << 8;
        /// The second: the page is not counted as resident.
        const BORROWED = 1 << 9;
    }
}

const PFN_SHIFT: u32 = 10;
/// Higher bits are reserved, or for extensions that are not in use.
const RESERVED_SHIFT: u32 = 54;

/// A branch to a table.
pub(crate) fn branch(table: Pfn) -> u64 {
    u64::from(table.get()) << PFN_SHIFT | Bits::VALID.bits()
}

/// Whether an entry above the leaf level is a branch.
pub(crate) fn is_branch(entry: u64) -> bool {
    let looked_at = Bits::all() - Bits::DEPOSIT - Bits::BORROWED;
    Bits::from_bits_truncate(entry) & looked_at == Bits::VALID && entry >> RESERVED_SHIFT == 0
}

/// A user page.
#[inline(always)]
pub(crate) fn user(pfn: Pfn, prot: Prot) -> u64 {
    page(pfn, prot, Bits::USER)
}

/// A kernel page, global.
pub(crate) fn kernel(pfn: Pfn, prot: Prot) -> u64 {
    page(pfn, prot, Bits::GLOBAL)
}

/// Write implies read, as the format requires. The accessed and dirty bits are set: a page is mapped when it is
/// used, and hardware without automatic updates would fault again. Without permissions the entry is invalid and
/// keeps the frame; a valid one would be a branch.
#[inline(always)]
fn page(pfn: Pfn, prot: Prot, whose: Bits) -> u64 {
    let mut bits = Bits::VALID | Bits::ACCESSED | whose;
    bits.set(Bits::READ, prot.intersects(Prot::READ | Prot::WRITE));
    bits.set(Bits::WRITE | Bits::DIRTY, prot.contains(Prot::WRITE));
    bits.set(Bits::EXEC, prot.contains(Prot::EXEC));
    if prot.is_empty() {
        bits = Bits::PROT_NONE;
    }
    u64::from(pfn.get()) << PFN_SHIFT | bits.bits()
}

/// The frame of the table or page.
pub(crate) fn pfn(entry: u64) -> Pfn {
    Pfn::new((entry >> PFN_SHIFT) as u32)
}

/// The page `frames` frames further on, without a deposit.
pub(crate) fn plus(entry: u64, frames: u64) -> u64 {
    (entry & !DEPOSIT) + (frames << PFN_SHIFT)
}

/// The permissions of a user program: none where the hardware would fault for any reason.
#[inline(always)]
pub(crate) fn prot(entry: u64) -> Prot {
    let bits = Bits::from_bits_truncate(entry);
    let usable = Bits::VALID | Bits::USER | Bits::ACCESSED;
    let reserved = entry >> RESERVED_SHIFT != 0;
    if !bits.contains(usable) || reserved || bits & Bits::READ_WRITE == Bits::WRITE {
        return Prot::empty();
    }
    let mut prot = Prot::empty();
    prot.set(Prot::READ, bits.contains(Bits::READ));
    prot.set(Prot::WRITE, bits.contains(Bits::WRITE | Bits::DIRTY));
    prot.set(Prot::EXEC, bits.contains(Bits::EXEC));
    prot
}

/// The software bit for a deposited page table.
pub(crate) const DEPOSIT: u64 = Bits::DEPOSIT.bits();
/// The software bit for a borrowed page.
pub(crate) const BORROWED: u64 = Bits::BORROWED.bits();
/// The accessed and dirty bits.
pub(crate) const ACCESSED: u64 = Bits::ACCESSED.bits();
pub(crate) const DIRTY: u64 = Bits::DIRTY.bits();

/// The accessed and dirty bits that an access sets.
pub(crate) fn access_bits(entry: u64, write: bool) -> u64 {
    let bits = Bits::from_bits_truncate(entry);
    if !bits.contains(Bits::VALID) {
        return 0;
    }
    match write && bits.contains(Bits::WRITE) {
        true => ACCESSED | DIRTY,
        false => ACCESSED,
    }
}

pub(crate) fn is_writable(entry: u64) -> bool {
    entry & Bits::WRITE.bits() != 0
}

/// The bits that a read-only page does not have, nor a branch.
pub(crate) const WRITABLE: u64 = Bits::WRITE.union(Bits::DIRTY).bits();
