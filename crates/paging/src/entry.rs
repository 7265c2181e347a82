//! What an entry of a page table can be.

use crate::level::{Level, PAGE};
use crate::sv39 as format;
use abi::Prot;
use frames::Pfn;

/// An entry of a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// There is nothing.
    Empty,
    /// The table one level down is in this frame.
    Branch(Pfn),
    /// A page; above the leaf level, a superpage.
    Leaf(Leaf),
}

impl Entry {
    /// The entry with these bits in a table of `level`. At the leaf level there are no branches.
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

    /// The entry as the hardware has it.
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

/// The entry of a page: its first frame, and what may be done with it. One without any right keeps its
/// frame all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf(u64);

impl Leaf {
    /// A page for user programs. What can be written can be read.
    #[inline(always)]
    pub fn user(pfn: Pfn, prot: Prot) -> Leaf {
        Leaf(format::user(pfn, prot))
    }

    /// A page for the kernel alone, the same in all address spaces.
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

    /// What a user program may do with the page now: nothing where the hardware would fault, for
    /// whatever reason, but for the frame of a superpage that is not aligned (see [`frame_at`]).
    ///
    /// [`frame_at`]: Self::frame_at
    #[inline(always)]
    pub fn prot(self) -> Prot {
        format::prot(self.0)
    }

    /// Whether it can be written.
    pub fn is_writable(self) -> bool {
        format::is_writable(self.0)
    }

    /// The frame of the page at `addr`, when this is the entry of `level` for that address; `None`
    /// where its first frame is not aligned as a page of that level must be.
    pub fn frame_at(self, level: Level, addr: u64) -> Option<Pfn> {
        let frames = level.entry_span() / PAGE;
        let aligned = u64::from(self.pfn().get()).is_multiple_of(frames);
        aligned.then(|| self.part(level, addr).pfn())
    }

    /// The entry for the page at `addr` alone, when this is the entry of `level` for that address.
    pub fn part(self, level: Level, addr: u64) -> Leaf {
        Leaf(format::plus(self.0, addr % level.entry_span() / PAGE))
    }

    /// The same page for user programs with the rights `prot`, but write access only where it has that
    /// already. A mark stays.
    #[inline(always)]
    pub fn with_rights(self, prot: Prot) -> Leaf {
        let gained = match self.is_writable() {
            true => prot,
            false => prot - Prot::WRITE,
        };
        Leaf(Leaf::user(self.pfn(), gained).0 | self.0 & (format::MARK | format::BORROWED))
    }

    /// The same page with the software's mark that it is not the space's own: it belongs to a memory
    /// object, or is the one of zeroes.
    #[inline(always)]
    pub fn borrowed(self) -> Leaf {
        Leaf(self.0 | format::BORROWED)
    }

    /// Whether it has that mark.
    #[inline(always)]
    pub fn is_borrowed(self) -> bool {
        self.0 & format::BORROWED != 0
    }

    /// Whether it was accessed since that was [forgotten](Self::untouched).
    pub fn is_accessed(self) -> bool {
        self.0 & format::ACCESSED != 0
    }

    /// Whether it was written since that was [forgotten](Self::untouched).
    pub fn is_dirty(self) -> bool {
        self.0 & format::DIRTY != 0
    }

    /// The same page as after an access. Hardware that does not set these bits by itself faults where they
    /// are clear.
    #[inline(always)]
    pub fn touched(self, write: bool) -> Leaf {
        Leaf(self.0 | format::touch(self.0, write))
    }

    /// The same page, neither accessed nor dirty.
    pub fn untouched(self) -> Leaf {
        Leaf(self.0 & !(format::ACCESSED | format::DIRTY))
    }

    /// The same page, read-only.
    pub fn without_write(self) -> Leaf {
        Leaf(self.0 & !format::WRITABLE)
    }
}
