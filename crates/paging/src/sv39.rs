//! The entry format Sv39 (RISC-V privileged specification, "Sv39: Page-Based 39-bit Virtual-Memory
//! System"). Nothing outside this module knows which bit means what, or how many levels there are.

use abi::Prot;
use frames::Pfn;

/// Levels of tables.
pub const LEVELS: u32 = 3;
/// Bits of an address that the format translates. Those above repeat the highest of them, so the
/// lower half of a root table is for addresses from 0 up, the upper half for those up to the last.
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
        /// Hardware looks at no other bit where `VALID` is missing. This one alone keeps a frame for a page
        /// that may not be accessed at present.
        const KEPT = Self::USER.bits();
        /// One of the two bits that are always the software's: whoever owns the tables marks entries for a
        /// purpose of its own.
        const MARK = 1 << 8;
        /// The other one: the page is not the space's own.
        const BORROWED = 1 << 9;
    }
}

const PFN_SHIFT: u32 = 10;
/// Bits from here on are reserved, or belong to extensions that are not in use.
const RESERVED_SHIFT: u32 = 54;

/// The entry that leads to a table.
pub(crate) fn branch(table: Pfn) -> u64 {
    u64::from(table.get()) << PFN_SHIFT | Bits::VALID.bits()
}

/// Whether an entry above the leaf level leads to a table.
pub(crate) fn is_branch(entry: u64) -> bool {
    let looked_at = Bits::all() - Bits::MARK - Bits::BORROWED;
    Bits::from_bits_truncate(entry) & looked_at == Bits::VALID && entry >> RESERVED_SHIFT == 0
}

/// A page for user programs.
#[inline(always)]
pub(crate) fn user(pfn: Pfn, prot: Prot) -> u64 {
    page(pfn, prot, Bits::USER)
}

/// A page for the kernel, the same in all address spaces.
pub(crate) fn kernel(pfn: Pfn, prot: Prot) -> u64 {
    page(pfn, prot, Bits::GLOBAL)
}

/// What can be written can be read, as the format has no other way. "Accessed" and "dirty" are set
/// from the start: a page is put in when it is used, and hardware that leaves them to software would fault
/// for each. Without any right the entry only keeps the frame: a valid one would be a branch.
#[inline(always)]
fn page(pfn: Pfn, prot: Prot, whose: Bits) -> u64 {
    let mut bits = Bits::VALID | Bits::ACCESSED | whose;
    bits.set(Bits::READ, prot.intersects(Prot::READ | Prot::WRITE));
    bits.set(Bits::WRITE | Bits::DIRTY, prot.contains(Prot::WRITE));
    bits.set(Bits::EXEC, prot.contains(Prot::EXEC));
    if prot.is_empty() {
        bits = Bits::KEPT;
    }
    u64::from(pfn.get()) << PFN_SHIFT | bits.bits()
}

/// The frame of the table or page.
pub(crate) fn pfn(entry: u64) -> Pfn {
    Pfn::new((entry >> PFN_SHIFT) as u32)
}

/// The same page, so many frames further on, and not marked.
pub(crate) fn plus(entry: u64, frames: u64) -> u64 {
    (entry & !MARK) + (frames << PFN_SHIFT)
}

/// What a user program may do with the page: nothing where the hardware would fault, for whatever
/// reason.
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

/// The bit for the purposes of whoever owns the tables; hardware does not look at it.
pub(crate) const MARK: u64 = Bits::MARK.bits();
/// The mark for a page that is not the space's own.
pub(crate) const BORROWED: u64 = Bits::BORROWED.bits();
/// What tells that a page was accessed, and written.
pub(crate) const ACCESSED: u64 = Bits::ACCESSED.bits();
pub(crate) const DIRTY: u64 = Bits::DIRTY.bits();

/// The bits that an access sets which the entry allows.
pub(crate) fn touch(entry: u64, write: bool) -> u64 {
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

/// The bits that an entry of a read-only page does not have. No branch has them.
pub(crate) const WRITABLE: u64 = Bits::WRITE.union(Bits::DIRTY).bits();
