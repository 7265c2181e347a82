//! What an address space needs of the machine it runs on.

use crate::Flush;
use crate::reservations::Reservations;
use abi::{Event, Use};
use core::sync::atomic::Ordering;
use frames::Pfn;
use lock_api::{Mutex, RawMutex};
use paging::Tables;

/// The machine, as far as an address space is concerned: frames, their reference counts, and a view
/// of their contents. On the host it is a vector of pages.
///
/// # Safety
///
/// Whoever implements it promises that a frame given out by `alloc` or `alloc_zeroed` is memory
/// nobody else uses until its last reference is released, that [`Tables::table`] views that very memory,
/// that `alloc_large` keeps the same promise for each frame of a block, and that `copy_page` and
/// `clear_tail` touch nothing but the frames named.
#[allow(unsafe_code)]
pub unsafe trait Machine: Clone + Tables {
    /// The lock of a memory object. Whoever waits for it may sleep.
    type ObjectLock: RawMutex;

    /// A spin lock, for the entries of one page table. The kernel's allocators may be called with it held
    /// to give memory back, never to get any.
    type EntriesLock: RawMutex;

    /// A spin lock, for tables of pages that several spaces have. It is taken with the entries of one of
    /// them locked.
    type TableLock: RawMutex;

    /// What it takes to run in an address space: its root table, its ASID, the harts it is active on
    /// (such as [`asid::Tag`](crate::asid::Tag)).
    type Context;

    /// The lock of such a table. Several tables may have the same one, as nobody holds two.
    fn table_lock(&self, table: Pfn) -> &Mutex<Self::TableLock, ()>;

    /// That of a new space, which no hart has run yet.
    fn new_context(&self, root: Pfn) -> Self::Context;

    /// A frame with one reference and any content; `None` when memory has ended. As every new frame, it is
    /// for [`Use::Anonymous`] until [`label`](Self::label) says otherwise.
    fn alloc(&self) -> Option<Pfn>;

    /// A frame with one reference, all zero.
    fn alloc_zeroed(&self) -> Option<Pfn>;

    /// Hears what a frame, or a large block that is not parted, is used for from now on, for those who count.
    /// The caller alone has a reference to it.
    fn label(&self, pfn: Pfn, what: Use) {
        let _ = (pfn, what);
    }

    /// As [`label`](Self::label), of a frame that others may have references to besides the caller.
    fn relabel(&self, pfn: Pfn, what: Use) {
        let _ = (pfn, what);
    }

    /// One reference more.
    fn retain(&self, pfn: Pfn);

    /// One reference less; the last one frees the frame.
    fn release(&self, pfn: Pfn);

    /// Whether the frame has exactly one reference. With ordering enough that what other owners
    /// wrote before they let go is visible after a `true`.
    fn is_unique(&self, pfn: Pfn) -> bool;

    /// One reference less if others have one too; otherwise the caller keeps it, alone. Tells whether
    /// it was given up. Ordered as `is_unique`.
    fn release_unless_last(&self, pfn: Pfn) -> bool;

    /// A block of 512 frames at a multiple of its size, with one reference to each and any content,
    /// if one is free at this moment: nobody is asked to give memory back for it. The references are
    /// counted as one until the block is parted.
    fn alloc_large(&self) -> Option<Pfn>;

    /// One reference more to each frame of a block, parted or not.
    fn retain_large(&self, block: Pfn);

    /// One reference less to each frame of a block, parted or not.
    fn release_large(&self, block: Pfn);

    /// Whether no frame of the block, parted or not, has a reference besides the caller's. Ordered
    /// as `is_unique`.
    fn is_unique_large(&self, block: Pfn) -> bool;

    /// Makes frames of their own of a block that the caller has references to, which from now on
    /// are retained and released one by one, by other owners of the block too; nothing for one that
    /// is parted already.
    fn part_large(&self, block: Pfn);

    /// Locks the list of all reservations for `act`, which asks for no memory. `None`, with nothing done, for a
    /// machine that has no such list: it makes no reservations.
    fn reservations<R>(&self, _act: impl FnOnce(&mut Reservations) -> R) -> Option<R> {
        None
    }

    /// Makes a block of 512 frames at a multiple of its size that the caller has a reference to each
    /// of, if nobody else has one to any; tells whether it is a block now. May decline always.
    fn join_large(&self, _block: Pfn) -> bool {
        false
    }

    /// Promises so many frames more, to be had whenever they are asked for; false, and nothing done,
    /// where that cannot be held. A machine that promises more than it has says always true.
    fn commit(&self, _frames: u64) -> bool {
        true
    }

    /// Takes back the promise of so many frames.
    fn uncommit(&self, _frames: u64) {}

    /// The frame of zeroes that all share; it is never retained, released or written.
    fn zero_page(&self) -> Pfn;

    /// Copies a whole frame.
    fn copy_page(&self, from: Pfn, to: Pfn);

    /// Zeroes the bytes `from..4096` of a frame.
    fn clear_tail(&self, pfn: Pfn, from: usize);

    /// Puts the kernel half's entries into a zeroed root table.
    fn init_root(&self, root: Pfn);

    /// TLB shootdown: entries of a space have lost rights or changed frames, or a table is not linked any
    /// more. When it returns, no hart uses what the table does not have any more. The entries may be locked.
    fn shoot_down(&self, context: &Self::Context, stale: Flush);

    /// Flushes this hart only, if it runs the space: where the entry that it has faulted on has more rights
    /// than its TLB may know of. Others that do not know fault too.
    fn flush_here(&self, context: &Self::Context, stale: Flush);

    /// Hears what came of a fault, for those who count.
    fn note(&self, event: Event) {
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
    /// A new frame of any content.
    pub(crate) fn any(machine: &M) -> Option<Frame<M>> {
        machine.alloc().map(|pfn| Frame::adopt(machine, pfn))
    }

    /// A new frame of zeroes.
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

    /// Takes over a reference that somebody else obtained.
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

    /// Hands the reference on.
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

/// Frames for tables, put aside for an operation that must not fail any more: a stack, each with the number of
/// the next one, plus one, in its first word.
pub(crate) struct Spare<M: Machine> {
    machine: M,
    top: u64,
}

impl<M: Machine> Spare<M> {
    /// No frames.
    pub(crate) fn none(machine: &M) -> Spare<M> {
        Spare {
            machine: machine.clone(),
            top: 0,
        }
    }

    /// `count` frames, or none.
    pub(crate) fn new(machine: &M, count: usize) -> Option<Spare<M>> {
        let mut spare = Spare::none(machine);
        for _ in 0..count {
            spare.put(Frame::any(machine)?);
        }
        Some(spare)
    }

    /// One more.
    pub(crate) fn put(&mut self, frame: Frame<M>) {
        let pfn = frame.into_pfn();
        self.machine.label(pfn, Use::PageTable);
        self.machine.table(pfn)[0].store(self.top, Ordering::Relaxed);
        self.top = u64::from(pfn.get()) + 1;
    }

    /// Names them.
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

    /// One of them, of any content.
    pub(crate) fn take(&mut self) -> Option<Frame<M>> {
        let pfn = Pfn::new(self.top.checked_sub(1)? as u32);
        self.top = self.machine.table(pfn)[0].load(Ordering::Relaxed);
        Some(Frame::adopt(&self.machine, pfn))
    }
}

impl<M: Machine> Drop for Spare<M> {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}
