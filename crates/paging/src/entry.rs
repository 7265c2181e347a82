//! Page-table entries.

use crate::level::{Level, PAGE};
use crate::sv39 as format;
use abi::Prot;
use frames::Pfn;

/// An entry of a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Not in use.
    Empty,
    /// Points to the table one level down, in this frame.
    Branch(Pfn),
    /// A page; above the leaf level, a superpage.
    Leaf(Leaf),
}

impl Entry {
    /// Decodes an entry of a table of `level`. At the leaf level there are no branches.
    #[inline(always)]
    pub(crate) fn decode(bits: u64, level: Level) -> Entry {
        if bits == 0 {
            Entry::Empty
        } else if level != Level::LEAF && format::is_branch(bits) {
            Entry::Branch(format::pfn(bits))
        } else {
            Entry::Leaf(Leaf(bits))
        }
    }

    /// The entry in the hardware's format.
    #[inline(always)]
    pub fn bits(self) -> u64 {
        match self {
            Entry::Empty => 0,
            Entry::Branch(table) => format::branch(table),
            Entry::Leaf(leaf) => leaf.0,
        }
    }

    /// The page, if it is one.
    #[inline(always)]
    pub fn leaf(self) -> Option<Leaf> {
        match self {
            Entry::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }
}

/// The entry of a page: its first frame and its permissions. One without permissions keeps its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf(u64);

impl Leaf {
    /// A user page. Write implies read.
    #[inline(always)]
    pub fn user(pfn: Pfn, prot: Prot) -> Leaf {
        Leaf(format::user(pfn, prot))
    }

    /// A kernel page, global to all address spaces.
    pub fn kernel(pfn: Pfn, prot: Prot) -> Leaf {
        Leaf(format::kernel(pfn, prot))
    }

    /// The entry as the hardware has it.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The first frame.
    pub fn pfn(self) -> Pfn {
        format::pfn(self.0)
    }

    /// The permissions of a user program now: none where the hardware would fault for any reason, except a
    /// misaligned superpage (see [`frame_at`]).
    ///
    /// [`frame_at`]: Self::frame_at
    #[inline(always)]
    pub fn prot(self) -> Prot {
        format::prot(self.0)
    }

    /// Whether it is writable.
    pub fn is_writable(self) -> bool {
        format::is_writable(self.0)
    }

    /// The frame of the base page at `addr`, if this is the entry of `level` for that address; `None` for a
    /// misaligned superpage.
    pub fn frame_at(self, level: Level, addr: u64) -> Option<Pfn> {
        let frames = level.entry_span() / PAGE;
        let aligned = u64::from(self.pfn().get()).is_multiple_of(frames);
        aligned.then(|| self.page_at(level, addr).pfn())
    }

    /// The entry for the base page at `addr`, if this is the entry of `level` for that address.
    pub fn page_at(self, level: Level, addr: u64) -> Leaf {
        Leaf(format::plus(self.0, addr % level.entry_span() / PAGE))
    }

    /// The same user page with the permissions `prot`, but write access only if it has it already. Software
    /// bits stay. (Linux: `pte_modify`.)
    #[inline(always)]
    pub fn with_prot(self, prot: Prot) -> Leaf {
        let gained = match self.is_writable() {
            true => prot,
            false => prot - Prot::WRITE,
        };
        Leaf(Leaf::user(self.pfn(), gained).0 | self.0 & (format::DEPOSIT | format::BORROWED))
    }

    /// The same page with the software bit "borrowed": the frame belongs to a memory object or is the zero
    /// page, and the space does not count it as resident.
    #[inline(always)]
    pub fn borrowed(self) -> Leaf {
        Leaf(self.0 | format::BORROWED)
    }

    /// Whether it is borrowed.
    #[inline(always)]
    pub fn is_borrowed(self) -> bool {
        self.0 & format::BORROWED != 0
    }

    /// Whether it was accessed since [`without_accessed_dirty`](Self::without_accessed_dirty).
    pub fn is_accessed(self) -> bool {
        self.0 & format::ACCESSED != 0
    }

    /// Whether it was written since [`without_accessed_dirty`](Self::without_accessed_dirty).
    pub fn is_dirty(self) -> bool {
        self.0 & format::DIRTY != 0
    }

    /// The same page with the bits that an access sets, for hardware that faults instead of setting them.
    #[inline(always)]
    pub fn with_accessed(self, write: bool) -> Leaf {
        Leaf(self.0 | format::access_bits(self.0, write))
    }

    /// The same page, young and dirty bits cleared.
    pub fn without_accessed_dirty(self) -> Leaf {
        Leaf(self.0 & !(format::ACCESSED | format::DIRTY))
    }

    /// The same page, read-only.
    pub fn write_protected(self) -> Leaf {
        Leaf(self.0 & !format::WRITABLE)
    }
}
