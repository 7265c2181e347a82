//! What an address space needs of the machine it runs on.

use abi::Event;
use core::sync::atomic::AtomicU64;
use frames::Pfn;

/// Which address space a flush is for: a name that its owner gave it with
/// [`AddressSpace::set_id`](crate::AddressSpace::set_id). It may be the number that the hardware tags
/// its translations with, or lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceId(pub u16);

impl SpaceId {
    /// The space was given no name: it has not been in use yet, or a switch of spaces flushes
    /// everything.
    pub const UNTAGGED: SpaceId = SpaceId(0);
}

/// Which translations the hardware must forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// That of the one page at this address.
    Page(u64),
    /// All of the space.
    All,
}

/// The machine, as far as an address space is concerned: frames, their reference counts, and a view
/// of their contents. On the host it is a vector of pages.
///
/// # Safety
///
/// Whoever implements it promises that a frame given out by `alloc` or `alloc_zeroed` is memory
/// nobody else uses until its last reference is released, that `table` views that very memory, and
/// that `copy_page` and `clear_tail` touch nothing but the frames named.
#[allow(unsafe_code)]
pub unsafe trait Machine: Clone {
    /// Handle of a cached file.
    type File: Clone + PartialEq;

    /// A frame with one reference and any content; `None` when memory has ended.
    fn alloc(&self) -> Option<Pfn>;

    /// A frame with one reference, all zero.
    fn alloc_zeroed(&self) -> Option<Pfn>;

    /// One reference more.
    fn retain(&self, pfn: Pfn);

    /// One reference less; the last one frees the frame.
    fn release(&self, pfn: Pfn);

    /// Whether the frame has exactly one reference. With ordering enough that what other owners
    /// wrote before they let go is visible after a `true`.
    fn is_unique(&self, pfn: Pfn) -> bool;

    /// The frame of zeroes that all share; it is never retained, released or written.
    fn zero_page(&self) -> Pfn;

    /// The frame as a page table.
    fn table(&self, pfn: Pfn) -> &[AtomicU64; 512];

    /// Copies a whole frame.
    fn copy_page(&self, from: Pfn, to: Pfn);

    /// Zeroes the bytes `from..4096` of a frame.
    fn clear_tail(&self, pfn: Pfn, from: usize);

    /// Puts the kernel half's entries into a zeroed root table.
    fn init_root(&self, root: Pfn);

    /// Makes this hart forget translations of a space; called when entries lose rights or change
    /// frames, not when they gain rights.
    fn flush(&self, space: SpaceId, range: Flush);

    /// Hears what came of a fault, for those who count.
    fn note(&self, event: Event) {
        let _ = event;
    }
}

/// One reference to a frame, released when dropped.
pub(crate) struct Frame<M: Machine> {
    machine: M,
    pfn: Pfn,
    held: bool,
}

impl<M: Machine> Frame<M> {
    /// A new frame of any content.
    pub(crate) fn any(machine: &M) -> Option<Frame<M>> {
        machine.alloc().map(|pfn| Frame::adopt(machine, pfn))
    }

    /// A new frame of zeroes.
    pub(crate) fn zeroed(machine: &M) -> Option<Frame<M>> {
        machine.alloc_zeroed().map(|pfn| Frame::adopt(machine, pfn))
    }

    /// Takes over a reference that somebody else obtained.
    pub(crate) fn adopt(machine: &M, pfn: Pfn) -> Frame<M> {
        Frame {
            machine: machine.clone(),
            pfn,
            held: true,
        }
    }

    /// The frame; the reference stays here.
    pub(crate) fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// Hands the reference on.
    pub(crate) fn into_pfn(mut self) -> Pfn {
        self.held = false;
        self.pfn
    }
}

impl<M: Machine> Drop for Frame<M> {
    fn drop(&mut self) {
        if self.held {
            self.machine.release(self.pfn);
        }
    }
}
