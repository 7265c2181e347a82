//! The page table of an address space: mapping and unmapping pages, with reference counts, resident counts and
//! TLB flushes. The cursor of the crate `paging` walks the tables.
//!
//! A spin lock guards the entries ([`PageTable::change`]), because reverse mapping changes them too: whoever
//! locks an object can unmap its pages from every space. Only the owner of the space sets empty entries and
//! links or unlinks tables. So the owner walks without the lock, and checks the entry again with it: at most,
//! the entry is gone or lost permissions. Nobody allocates or sleeps with the lock held; frames are reserved
//! first.
//!
//! Freeing takes three steps, as with Linux's `mmu_gather`: change the entries, flush every TLB that may have
//! them, free. Until the flush a hart may still walk an unlinked table or store to an unmapped page.
//!
//! 2 MiB are a large page or a leaf table. Fork lets several spaces share a leaf table. A shared table holds
//! one reference to each of its pages, regardless of how many spaces link it; none of its entries is writable;
//! and only reverse mapping changes it. A space unshares the table before it changes an entry (`unshare.rs`),
//! with a frame that fork deposited (`deposit.rs`).

mod clear;
mod copy_range;
mod deposit;
mod large;
mod move_page_tables;
mod protect;
mod pte;
mod rmap;
mod unshare;

pub(crate) use copy_range::CopyRange;
pub(crate) use pte::PteAlloc;
pub use rmap::Mappings;
pub(crate) use rmap::{RmapOp, RmapWalk};

use crate::machine::{Frame, Prealloc};
use crate::{Error, Flush, Machine};
use abi::{Prot, Use};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use fallible::KArc;
use frames::Pfn;
use lock_api::{Mutex, MutexGuard};
use paging::{Cursor, Entry, Leaf, Level, PAGE, Slot};

/// The page table of an address space and its counters. Others can hold a reference: they see an empty table
/// after the space is dropped.
pub struct PageTable<M: Machine> {
    machine: M,
    root: Pfn,
    context: M::Context,
    /// Frames that forks deposited. Only the owner of the space pushes and pops.
    deposits: Mutex<M::EntriesLock, Prealloc<M>>,
    deposit_count: Counter,
    entries: Mutex<M::EntriesLock, State>,
    /// Set, with the entries locked, when entries changed and are not flushed yet; the owner clears it after
    /// the flush. As Linux's `mm_tlb_flush_pending`.
    tlb_flush_pending: AtomicBool,
    /// Tables below the root, including shared ones.
    tables: Counter,
    /// Large pages.
    large: Counter,
    /// Resident pages: private ones and those of shared mappings; not borrowed ones.
    resident: Counter,
    /// Pages of the region records.
    records: Counter,
    /// Pages of shared objects that the space unmapped while their region stayed: they are freed with the
    /// space.
    shared_unmapped: Counter,
}

/// What the entries' lock guards besides the entries.
#[derive(Default)]
struct State {
    /// The space is being dropped; reverse mapping skips it.
    closed: bool,
    /// Number of [resident](PageTable::resident) pages that reverse mapping has unmapped.
    rmap_unmapped: u64,
}

/// A counter that is read without a lock; less than the number of user pages.
#[derive(Default)]
struct Counter(AtomicU32);

impl Counter {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed) as usize
    }

    fn set(&self, count: usize) {
        self.0.store(count as u32, Ordering::Relaxed);
    }

    fn add(&self, more: usize) {
        self.0.fetch_add(more as u32, Ordering::Relaxed);
    }

    fn sub(&self, fewer: usize) {
        self.0.fetch_sub(fewer as u32, Ordering::Relaxed);
    }
}

const _: () = assert!(abi::MAXVA / PAGE < u32::MAX as u64);

impl<M: Machine> PageTable<M> {
    /// A root table with the kernel half.
    pub(crate) fn try_new(machine: M) -> Result<KArc<PageTable<M>>, Error> {
        let root = Frame::zeroed(&machine).ok_or(Error::NoMemory)?;
        machine.label(root.pfn(), Use::PageTable);
        machine.init_root(root.pfn());
        let context = machine.new_context(root.pfn());
        Ok(KArc::try_new(PageTable {
            deposits: Mutex::new(Prealloc::none(&machine)),
            deposit_count: Counter::default(),
            machine,
            root: root.into_pfn(),
            context,
            entries: Mutex::default(),
            tlb_flush_pending: AtomicBool::new(false),
            tables: Counter::default(),
            large: Counter::default(),
            resident: Counter::default(),
            records: Counter::default(),
            shared_unmapped: Counter::default(),
        })?)
    }

    /// What a hart loads to run in the space.
    pub fn context(&self) -> &M::Context {
        &self.context
    }

    /// The frame of the root table.
    pub fn root(&self) -> Pfn {
        self.root
    }

    /// Page-table pages, including the root.
    pub fn tables(&self) -> usize {
        self.tables.get() + 1
    }

    /// Resident pages: private anonymous ones and those of shared mappings. Pages of privately mapped files
    /// belong to the page cache; only [`AddressSpace::usage`] counts them, by a walk.
    ///
    /// [`AddressSpace::usage`]: crate::AddressSpace::usage
    pub fn resident(&self) -> usize {
        self.resident.get()
    }

    /// [`resident`](Self::resident) minus the result of `shared`, which counts pages of shared mappings;
    /// retried if reverse mapping unmapped one meanwhile.
    pub(crate) fn private(&self, shared: impl Fn() -> usize) -> usize {
        loop {
            let before = self.lock().rmap_unmapped;
            let shared = shared();
            let state = self.lock();
            if state.rmap_unmapped == before {
                return self.resident.get() - shared;
            }
        }
    }

    /// Pages of the region records, rounded down.
    pub fn records(&self) -> usize {
        self.records.get()
    }

    /// Pages of shared objects that are freed with the space although it has no entry for them.
    pub fn shared_unmapped(&self) -> usize {
        self.shared_unmapped.get()
    }

    pub(crate) fn add_shared_unmapped(&self, pages: usize) {
        self.shared_unmapped.add(pages);
    }

    pub(crate) fn sub_shared_unmapped(&self, pages: usize) {
        self.shared_unmapped.sub(pages);
    }

    pub(crate) fn set_records(&self, pages: usize) {
        self.records.set(pages);
    }

    /// Large pages.
    pub(crate) fn large(&self) -> usize {
        self.large.get()
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    /// Locks the entries. Whoever removes permissions or frames flushes the TLBs before the space continues or
    /// a frame is freed.
    fn lock(&self) -> MutexGuard<'_, M::EntriesLock, State> {
        self.entries.lock()
    }

    /// Changes entries. `act` reports what must be flushed; on return no TLB has it, and what `act` took out
    /// can be freed.
    #[inline(always)]
    fn change<R>(&self, act: impl FnOnce(&mut Flush) -> R) -> R {
        let _entries = self.lock();
        let mut stale = Flush::Nothing;
        let result = act(&mut stale);
        self.shoot_down(stale);
        result
    }

    /// As [`change`](Self::change), but the owner flushes later ([`flush`](Self::flush)). Reverse mapping that
    /// takes the lock before then flushes too.
    #[inline(always)]
    fn change_deferred<R>(&self, act: impl FnOnce() -> R) -> R {
        let _entries = self.lock();
        self.tlb_flush_pending.store(true, Ordering::Relaxed);
        act()
    }

    /// Flushes the changes of [`change_deferred`](Self::change_deferred).
    #[inline]
    fn flush(&self, stale: Flush) {
        self.shoot_down(stale);
        self.tlb_flush_pending.store(false, Ordering::Release);
    }

    /// Locks a leaf table if it is shared: reverse mapping may unmap pages in it through another space.
    fn lock_shared_table(&self, table: Pfn) -> Option<MutexGuard<'_, M::TableLock, ()>> {
        let shared_table = !self.machine.is_unique(table);
        shared_table.then(|| self.machine.table_lock(table).lock())
    }

    /// Flushes the TLBs of all harts where the space is or was active.
    #[inline]
    pub(crate) fn shoot_down(&self, stale: Flush) {
        if stale != Flush::Nothing {
            self.machine.shoot_down(&self.context, stale);
        }
    }

    /// Flushes this hart's TLB after an entry gained permissions.
    pub(crate) fn flush_here(&self, stale: Flush) {
        self.machine.flush_here(&self.context, stale);
    }

    /// The entry of `level` for `addr`, or the one above it where the walk ends.
    #[inline(never)]
    fn at(&self, level: Level, addr: u64) -> Cursor<M> {
        Cursor::new(self.machine.clone(), self.root, addr).look_up(level)
    }

    /// The leaf entry for user address `addr`, that of its superpage, or the empty entry where the walk ends.
    pub(crate) fn look_up(&self, addr: u64) -> Cursor<M> {
        self.at(Level::LEAF, addr)
    }

    /// The leaf entry of the page at user address `addr`; for a superpage, that of the base page in it.
    pub(crate) fn leaf(&self, addr: u64) -> Option<Leaf> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        Some(leaf.page_at(cursor.level(), addr))
    }

    /// The frame of the page at user address `addr`, and the permissions of a program; `None` where an access
    /// would fault. Handles whatever the format allows, including superpages of any size.
    pub(crate) fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        let pfn = leaf.frame_at(cursor.level(), addr)?;
        Some((pfn, leaf.prot())).filter(|(_, prot)| !prot.is_empty())
    }

    /// The superpages and leaf tables in `range`, in order, each with the part of the range that it spans.
    /// Entries already visited may change meanwhile.
    fn chunks(&self, range: &Range<u64>) -> impl Iterator<Item = (Entry, Range<u64>)> + use<M> {
        let cursor = Cursor::new(self.machine.clone(), self.root, range.start);
        cursor.entries(Level::SUPERPAGE, range.end)
    }

    /// The slots of a leaf table for `range`, which is within its span.
    #[inline(always)]
    fn pages(&self, table: Pfn, range: &Range<u64>) -> impl Iterator<Item = (u64, Slot<'_>)> {
        self.machine.slots(table, Level::LEAF, range)
    }

    /// All slots of a leaf table.
    #[inline(always)]
    fn all_pages(&self, table: Pfn) -> impl Iterator<Item = Slot<'_>> {
        self.machine.all_slots(table, Level::LEAF)
    }

    /// Whether the entry holds a reference to its frame; the zero page is not counted.
    #[inline(always)]
    fn has_ref(&self, leaf: &Leaf) -> bool {
        !leaf.is_borrowed() || leaf.pfn() != self.machine.zero_page()
    }

    /// Resident pages in a part of a leaf table.
    fn pages_among(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        leaves.filter(|leaf| !leaf.is_borrowed()).count()
    }

    /// Resident pages of `range`.
    pub(crate) fn pages_in(&self, range: Range<u64>) -> usize {
        let pages = self.chunks(&range).map(|(entry, inside)| match entry {
            Entry::Empty => 0,
            Entry::Branch(table) => self.pages_among(table, &inside),
            Entry::Leaf(_) => ((inside.end - inside.start) / PAGE) as usize,
        });
        pages.sum()
    }
}

/// Frees the root. Everything below must be cleared.
impl<M: Machine> Drop for PageTable<M> {
    fn drop(&mut self) {
        debug_assert_eq!(
            (self.tables.get(), self.large.get(), self.resident.get()),
            (0, 0, 0),
            "something is left in the table"
        );
        self.machine.release(self.root);
    }
}
