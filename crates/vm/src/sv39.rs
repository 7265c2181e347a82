//! The format of Sv39 page tables (RISC-V privileged specification, "Sv39: Page-Based 39-bit
//! Virtual-Memory System"). Nothing outside this module knows which bit means what.

use abi::Prot;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use frames::Pfn;

/// Bytes in a page.
pub(crate) const PAGE: u64 = abi::PAGE_SIZE as u64;

/// Bytes in a large page.
pub(crate) const LARGE: u64 = Level::MIDDLE.entry_span();

/// One page of page table.
pub(crate) type Table = [AtomicU64; 512];

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Bits: u64 {
        const VALID = 1 << 0;
        const READ = 1 << 1;
        const WRITE = 1 << 2;
        const EXEC = 1 << 3;
        const USER = 1 << 4;
        const ACCESSED = 1 << 6;
        const DIRTY = 1 << 7;
        const READ_WRITE = Self::READ.bits() | Self::WRITE.bits();
        /// One of the two bits that are the software's: the entry keeps a frame for a page that the
        /// program may not touch at present. Hardware stops at the missing `VALID`.
        const KEPT = 1 << 8;
    }
}

const PFN_SHIFT: u32 = 10;
/// Bits from here on are reserved, or extensions' that are not in use.
const RESERVED_SHIFT: u32 = 54;

/// An entry of a page table: vacant, the address of the next table, or a page with its rights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(u64);

impl Entry {
    pub(crate) const VACANT: Entry = Entry(0);

    /// A pointer to the table one level down.
    pub(crate) fn table(pfn: Pfn) -> Entry {
        Entry(u64::from(pfn.get()) << PFN_SHIFT | Bits::VALID.bits())
    }

    /// A user page. What can be written can be read, as the format has no other way. The bits for
    /// "accessed" and "dirty" are set from the start: nothing reads them, and hardware that leaves
    /// them to software would fault for each. Without any right, the entry keeps the frame only: a
    /// valid one would be a pointer to a table.
    pub(crate) fn page(pfn: Pfn, prot: Prot) -> Entry {
        if prot.is_empty() {
            return Entry(u64::from(pfn.get()) << PFN_SHIFT | Bits::KEPT.bits());
        }
        let mut bits = Bits::VALID | Bits::USER | Bits::ACCESSED;
        bits.set(Bits::READ, prot.intersects(Prot::READ | Prot::WRITE));
        bits.set(Bits::WRITE | Bits::DIRTY, prot.contains(Prot::WRITE));
        bits.set(Bits::EXEC, prot.contains(Prot::EXEC));
        Entry(u64::from(pfn.get()) << PFN_SHIFT | bits.bits())
    }

    pub(crate) fn load(slot: &AtomicU64) -> Entry {
        Entry(slot.load(Ordering::Relaxed))
    }

    /// Orders the contents of what the entry points to before the entry, for other walkers.
    pub(crate) fn store(self, slot: &AtomicU64) {
        slot.store(self.0, Ordering::Release);
    }

    pub(crate) fn is_vacant(self) -> bool {
        self.0 == 0
    }

    /// The entry as the hardware has it.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The frame that the entry names; of a vacant one, frame 0.
    pub(crate) fn pfn(self) -> Pfn {
        Pfn::new((self.0 >> PFN_SHIFT) as u32)
    }

    /// What a program may do with the page: nothing where the hardware would fault, for whatever
    /// reason.
    pub(crate) fn prot(self) -> Prot {
        let bits = Bits::from_bits_truncate(self.0);
        let usable = Bits::VALID | Bits::USER | Bits::ACCESSED;
        let reserved = self.0 >> RESERVED_SHIFT != 0;
        if !bits.contains(usable) || reserved || bits & Bits::READ_WRITE == Bits::WRITE {
            return Prot::empty();
        }
        let mut prot = Prot::empty();
        prot.set(Prot::READ, bits.contains(Bits::READ));
        prot.set(Prot::WRITE, bits.contains(Bits::WRITE | Bits::DIRTY));
        prot.set(Prot::EXEC, bits.contains(Bits::EXEC));
        prot
    }

    /// Whether it points to a table.
    pub(crate) fn is_table(self) -> bool {
        let looked_at = Bits::all() - Bits::KEPT;
        Bits::from_bits_truncate(self.0) & looked_at == Bits::VALID && self.0 >> RESERVED_SHIFT == 0
    }

    /// The frame of the page at `addr`, if this is the entry of a page that is large enough for
    /// `level` and lies as such a page must.
    pub(crate) fn frame_at(self, level: Level, addr: u64) -> Option<Pfn> {
        let pages = level.entry_span() / PAGE;
        let inside = addr / PAGE % pages;
        let aligned = u64::from(self.pfn().get()).is_multiple_of(pages);
        aligned.then(|| self.pfn().plus(inside as u32))
    }

    /// The entry for the page at `addr`, when this is one for the large page around it: the same
    /// rights to the frame that is there.
    pub(crate) fn inside(self, addr: u64) -> Entry {
        if self.is_vacant() {
            return self;
        }
        Entry(self.0 + ((addr % LARGE / PAGE) << PFN_SHIFT))
    }

    pub(crate) fn is_writable(self) -> bool {
        self.0 & Bits::WRITE.bits() != 0
    }

    /// The same page after its region's rights have become `prot`. Write access stays and is never
    /// gained: who else has the frame is the matter of a fault.
    pub(crate) fn with_rights(self, prot: Prot) -> Entry {
        let gained = if self.is_writable() {
            prot
        } else {
            prot - Prot::WRITE
        };
        Entry::page(self.pfn(), gained)
    }

    /// The same page, read-only.
    pub(crate) fn without_write(self) -> Entry {
        Entry(self.0 & !(Bits::WRITE | Bits::DIRTY).bits())
    }
}

/// A level of the tree of tables: 2 is the root, whose entries span 1 GiB each; those of
/// level 1 span 2 MiB, and those of level 0 are the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(u32);

impl Level {
    pub(crate) const ROOT: Level = Level(2);
    pub(crate) const MIDDLE: Level = Level(1);
    pub(crate) const LEAF: Level = Level(0);

    /// The level with this number.
    pub(crate) fn with_number(number: u32) -> Option<Level> {
        (number <= Level::ROOT.0).then_some(Level(number))
    }

    /// The number of the level, as the specification has it.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The level below; none below the leaves.
    pub(crate) fn below(self) -> Option<Level> {
        self.0.checked_sub(1).map(Level)
    }

    /// Bytes that one entry of this level spans.
    pub(crate) const fn entry_span(self) -> u64 {
        1 << self.shift()
    }

    const fn shift(self) -> u32 {
        PAGE.trailing_zeros() + 9 * self.0
    }

    /// Bytes that a whole table of this level spans.
    pub(crate) const fn table_span(self) -> u64 {
        self.entry_span() << 9
    }

    /// The entry of this level's table that `addr` falls into.
    pub(crate) const fn index(self, addr: u64) -> usize {
        (addr >> self.shift()) as usize & 511
    }

    /// The whole range of addresses that the table of this level around `addr` spans.
    pub(crate) fn table_around(self, addr: u64) -> Range<u64> {
        let start = addr & !(self.table_span() - 1);
        start..start + self.table_span()
    }
}

/// The page that `addr` is in.
pub(crate) const fn page_down(addr: u64) -> u64 {
    addr & !(PAGE - 1)
}

/// `bytes` rounded up to whole pages; `None` when that is beyond 64 bits.
pub(crate) fn page_up(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(PAGE)
}
