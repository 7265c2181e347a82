//! What an address space needs of the machine it runs on.

use crate::Flush;
use crate::reservations::Reservations;
use abi::{Event, Use};
use core::sync::atomic::Ordering;
use frames::Pfn;
use lock_api::{Mutex, RawMutex};
use paging::Tables;

/// The machine as an address space uses it: frames, their reference counts, and access to their contents. On
/// the host it is a vector of pages.
///
/// # Safety
///
/// The implementation guarantees that a frame from `alloc` or `alloc_zeroed` is memory that nobody else uses
/// until its last reference is released, that [`Tables::table`] views that memory, that the same holds for each
/// frame of a block from `alloc_large`, and that `copy_page` and `clear_tail` touch only the frames named.
#[allow(unsafe_code)]
pub unsafe trait Machine: Clone + Tables {
    /// The lock of a memory object, a sleeping lock.
    type ObjectLock: RawMutex;

    /// The spin lock of the entries of one page table. With it held, the kernel's allocators are called to
    /// free, never to allocate.
    type EntriesLock: RawMutex;

    /// The spin lock of shared leaf tables, taken with the entries of one page table locked.
    type TableLock: RawMutex;

    /// What a hart loads to run in an address space: root table, ASID, set of active harts (such as
    /// [`asid::Tag`](crate::asid::Tag)).
    type Context;

    /// The lock of a shared leaf table. Tables may share locks, since nobody holds two.
    fn table_lock(&self, table: Pfn) -> &Mutex<Self::TableLock, ()>;

    /// The context of a new space, which no hart has run.
    fn new_context(&self, root: Pfn) -> Self::Context;

    /// A frame with one reference and undefined contents; `None` if memory is exhausted. Like every new frame
    /// it is for [`Use::Anonymous`] until [`label`](Self::label).
    fn alloc(&self) -> Option<Pfn>;

    /// A zeroed frame with one reference.
    fn alloc_zeroed(&self) -> Option<Pfn>;

    /// Labels a frame, or a large block that is not split, with its use, for statistics. Only the caller has a
    /// reference.
    fn label(&self, pfn: Pfn, what: Use) {
        let _ = (pfn, what);
    }

    /// As [`label`](Self::label), for a frame that others may have references to.
    fn relabel(&self, pfn: Pfn, what: Use) {
        let _ = (pfn, what);
    }

    /// Adds a reference.
    fn retain(&self, pfn: Pfn);

    /// Drops a reference; the last one frees the frame.
    fn release(&self, pfn: Pfn);

    /// Whether the frame has exactly one reference. If so, what other owners wrote before they dropped theirs
    /// is visible.
    fn is_unique(&self, pfn: Pfn) -> bool;

    /// Drops the reference unless it is the last; returns whether it did. Ordered as `is_unique`.
    fn release_unless_last(&self, pfn: Pfn) -> bool;

    /// An aligned block of 512 frames with undefined contents and one reference to each, if one is free now:
    /// caches are not shrunk for it. One count stands for all frames until the block is split.
    fn alloc_large(&self) -> Option<Pfn>;

    /// Adds a reference to each frame of a block, split or not.
    fn retain_large(&self, block: Pfn);

    /// Drops a reference to each frame of a block, split or not.
    fn release_large(&self, block: Pfn);

    /// Whether no frame of the block, split or not, has another reference than the caller's. Ordered as
    /// `is_unique`.
    fn is_unique_large(&self, block: Pfn) -> bool;

    /// Splits a block that the caller has references to into frames that are counted one by one, for its other
    /// owners too. Nothing if it is split already.
    fn split_large(&self, block: Pfn);

    /// Calls `act` with the locked list of all reservations; `act` does not allocate. `None`, with nothing
    /// done, on a machine without reservations.
    fn reservations<R>(&self, _act: impl FnOnce(&mut Reservations) -> R) -> Option<R> {
        None
    }

    /// Joins the 512 frames of an aligned block, each of which the caller has a reference to, if nobody else
    /// has one to any; returns whether it did. It may always decline.
    fn join_large(&self, _block: Pfn) -> bool {
        false
    }

    /// Commits frames; returns false, with nothing done, beyond the limit. Without strict accounting it always
    /// succeeds.
    fn commit(&self, _frames: u64) -> bool {
        true
    }

    /// Uncommits frames.
    fn uncommit(&self, _frames: u64) {}

    /// The zero page; it is never retained, released or written.
    fn zero_page(&self) -> Pfn;

    /// Copies a frame.
    fn copy_page(&self, from: Pfn, to: Pfn);

    /// Zeroes the bytes `from..4096` of a frame.
    fn clear_tail(&self, pfn: Pfn, from: usize);

    /// Sets the kernel half's entries of a zeroed root table.
    fn init_root(&self, root: Pfn);

    /// TLB shootdown, after entries lost permissions or changed frames, or a table was unlinked. On return no
    /// hart uses the old entries. The entries may be locked.
    fn shoot_down(&self, context: &Self::Context, stale: Flush);

    /// Flushes this hart, if it runs the space, after the entry that it faulted on gained permissions. Other
    /// harts with the old entry fault too.
    fn flush_here(&self, context: &Self::Context, stale: Flush);

    /// Counts an event of a fault, for statistics.
    fn count_event(&self, event: Event) {
        let _ = event;
    }
}

/// One reference to a frame, released when dropped.
pub struct Frame<M: Machine> {
    machine: M,
    pfn: Pfn,
    held: bool,
}

impl<M: Machine> Frame<M> {
    /// A new frame with undefined contents.
    pub(crate) fn any(machine: &M) -> Option<Frame<M>> {
        machine.alloc().map(|pfn| Frame::adopt(machine, pfn))
    }

    /// A new zeroed frame.
    pub(crate) fn zeroed(machine: &M) -> Option<Frame<M>> {
        machine.alloc_zeroed().map(|pfn| Frame::adopt(machine, pfn))
    }

    /// Takes over a reference, such as [`Frame::into_pfn`] gave.
    ///
    /// # Safety
    /// The reference is the caller's, who does not use it any more.
    #[allow(unsafe_code)]
    pub unsafe fn from_pfn(machine: &M, pfn: Pfn) -> Frame<M> {
        Frame::adopt(machine, pfn)
    }

    /// Takes over a reference.
    #[inline]
    pub(crate) fn adopt(machine: &M, pfn: Pfn) -> Frame<M> {
        Frame {
            machine: machine.clone(),
            pfn,
            held: true,
        }
    }

    /// The frame; the reference stays here.
    #[inline]
    pub fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// Gives up the reference to the caller.
    #[inline]
    pub fn into_pfn(mut self) -> Pfn {
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

/// Preallocated page-table frames: a stack, linked by the first word of each frame, which is the number of the
/// next one plus one.
pub(crate) struct Prealloc<M: Machine> {
    machine: M,
    top: u64,
}

impl<M: Machine> Prealloc<M> {
    /// No frames.
    pub(crate) fn none(machine: &M) -> Prealloc<M> {
        Prealloc {
            machine: machine.clone(),
            top: 0,
        }
    }

    /// `count` frames, or none.
    pub(crate) fn new(machine: &M, count: usize) -> Option<Prealloc<M>> {
        let mut prealloc = Prealloc::none(machine);
        for _ in 0..count {
            prealloc.push(Frame::any(machine)?);
        }
        Some(prealloc)
    }

    /// Adds a frame.
    pub(crate) fn push(&mut self, frame: Frame<M>) {
        let pfn = frame.into_pfn();
        self.machine.label(pfn, Use::PageTable);
        self.machine.table(pfn)[0].store(self.top, Ordering::Relaxed);
        self.top = u64::from(pfn.get()) + 1;
    }

    /// Calls `act` with each frame.
    pub(crate) fn for_each(&self, mut act: impl FnMut(Pfn)) {
        let mut top = self.top;
        while let Some(number) = top.checked_sub(1) {
            let pfn = Pfn::new(number as u32);
            act(pfn);
            top = self.machine.table(pfn)[0].load(Ordering::Relaxed);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.top == 0
    }

    /// Removes a frame, with undefined contents.
    pub(crate) fn pop(&mut self) -> Option<Frame<M>> {
        let pfn = Pfn::new(self.top.checked_sub(1)? as u32);
        self.top = self.machine.table(pfn)[0].load(Ordering::Relaxed);
        Some(Frame::adopt(&self.machine, pfn))
    }
}

impl<M: Machine> Drop for Prealloc<M> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
