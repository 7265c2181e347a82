//! The page table of a space: putting pages in, taking them out, and what that means for references,
//! counts and TLBs. Tables are walked with the cursor of the crate `paging`.
//!
//! Entries change under a lock of their own ([`PageTable::change`]), because others than the owner of
//! the space may change them too: who holds a page that the space maps can take it out. The owner alone
//! puts entries where there are none, and links and unlinks tables. So it may walk without the lock, and
//! finds at most that an entry has gone or has lost rights when it has taken it. Nobody allocates or
//! waits with the lock held: what it takes is reserved first.
//!
//! What goes is freed in three steps, as by Linux's `mmu_gather`: change the entries; flush every TLB that
//! may have them; then free. A hart may walk a table, and store to a page, as long as its TLB has the way
//! there.
//!
//! 2 MiB are a large page, or a table of pages. After a fork such a table may belong to several
//! spaces. It has one reference to each of its pages then, no matter how many spaces have it; none
//! of its entries is writable; and nobody changes it: who needs to, gets a table of its own first
//! (`own.rs`), from a frame that the fork has put aside (`spares.rs`). Frames that a table which is nobody
//! else's names once are this space's alone.

mod clear;
mod large;
mod own;
mod protect;
mod put;
mod relocate;
mod rmap;
mod share;
mod spares;

pub(crate) use put::Room;
pub use rmap::Mappings;
pub(crate) use rmap::{Act, Walk};
pub(crate) use share::Sharing;

use crate::machine::{Frame, Spare};
use crate::{Error, Flush, Machine};
use abi::{Prot, Use};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use fallible::KArc;
use frames::Pfn;
use lock_api::{Mutex, MutexGuard};
use paging::{Cursor, Entry, Leaf, Level, PAGE, Slot};

/// The page table of an address space, with counts of what it has. It can be held by others than the
/// space: they see it empty when the space has gone.
pub struct PageTable<M: Machine> {
    machine: M,
    root: Pfn,
    context: M::Context,
    /// Frames that forks put aside. The owner of the space alone puts in and takes out.
    spares: Mutex<M::EntriesLock, Spare<M>>,
    spare_count: Count,
    entries: Mutex<M::EntriesLock, State>,
    /// Whether entries have changed that some TLB may have still. Set with the entries locked; the owner
    /// clears it when it has flushed.
    unflushed: AtomicBool,
    /// Tables below the root, those that other spaces have too among them.
    tables: Count,
    /// Large pages.
    large: Count,
    /// Pages of the space's own: private ones, and those of shared mappings.
    resident: Count,
    /// Pages of the records of the space's regions.
    records: Count,
    /// Pages of shared memory that the space keeps, because it maps them, but has no entry for any more.
    kept: Count,
}

/// What the lock of the entries guards besides them.
#[derive(Default)]
struct State {
    /// Its space goes, and nobody else looks into it any more.
    gone: bool,
    /// How many of the [resident](PageTable::resident) pages others than the owner have taken out.
    taken: u64,
}

/// A count that anybody may read at any time, of what is fewer than the pages of user addresses.
#[derive(Default)]
struct Count(AtomicU32);

impl Count {
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
    /// A table with the kernel's half.
    pub(crate) fn try_new(machine: M) -> Result<KArc<PageTable<M>>, Error> {
        let root = Frame::zeroed(&machine).ok_or(Error::NoMemory)?;
        machine.label(root.pfn(), Use::PageTable);
        machine.init_root(root.pfn());
        let context = machine.new_context(root.pfn());
        Ok(KArc::try_new(PageTable {
            spares: Mutex::new(Spare::none(&machine)),
            spare_count: Count::default(),
            machine,
            root: root.into_pfn(),
            context,
            entries: Mutex::default(),
            unflushed: AtomicBool::new(false),
            tables: Count::default(),
            large: Count::default(),
            resident: Count::default(),
            records: Count::default(),
            kept: Count::default(),
        })?)
    }

    /// What it takes to run in the space.
    pub fn context(&self) -> &M::Context {
        &self.context
    }

    /// The frame of the root table.
    pub fn root(&self) -> Pfn {
        self.root
    }

    /// Pages of table, the root among them.
    pub fn tables(&self) -> usize {
        self.tables.get() + 1
    }

    /// Pages of the space's own: private anonymous ones, and those of shared mappings. What it shows of
    /// files privately is the page cache's, and counted by a walk only ([`AddressSpace::usage`]).
    ///
    /// [`AddressSpace::usage`]: crate::AddressSpace::usage
    pub fn resident(&self) -> usize {
        self.resident.get()
    }

    /// [`resident`](Self::resident) without those that `shared` counts, pages of shared mappings: at one
    /// moment, as others may take some of these out at any time.
    pub(crate) fn private(&self, shared: impl Fn() -> usize) -> usize {
        loop {
            let before = self.lock().taken;
            let shared = shared();
            let state = self.lock();
            if state.taken == before {
                return self.resident.get() - shared;
            }
        }
    }

    /// Pages that the records of the space's regions take, rounded down.
    pub fn records(&self) -> usize {
        self.records.get()
    }

    /// Pages of shared memory that go with the space's mappings, though it has no entry for them any more.
    pub fn kept(&self) -> usize {
        self.kept.get()
    }

    pub(crate) fn add_kept(&self, pages: usize) {
        self.kept.add(pages);
    }

    pub(crate) fn sub_kept(&self, pages: usize) {
        self.kept.sub(pages);
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

    /// The right to change entries. Who takes rights or frames away has TLBs flushed before it lets the
    /// space go on, or frees anything.
    fn lock(&self) -> MutexGuard<'_, M::EntriesLock, State> {
        self.entries.lock()
    }

    /// Changes entries. `act` tells what that makes stale; when this returns no TLB has it any more, and what
    /// `act` has taken out can be freed.
    #[inline(always)]
    fn change<R>(&self, act: impl FnOnce(&mut Flush) -> R) -> R {
        let _entries = self.lock();
        let mut stale = Flush::Nothing;
        let gone = act(&mut stale);
        self.shoot_down(stale);
        gone
    }

    /// As [`change`](Self::change), but what it makes stale is flushed later ([`flush`](Self::flush)). Who
    /// takes the lock until then flushes for itself.
    #[inline(always)]
    fn change_unflushed<R>(&self, act: impl FnOnce() -> R) -> R {
        let _entries = self.lock();
        self.unflushed.store(true, Ordering::Relaxed);
        act()
    }

    /// Flushes what changed in [`change_unflushed`](Self::change_unflushed).
    #[inline]
    fn flush(&self, stale: Flush) {
        self.shoot_down(stale);
        self.unflushed.store(false, Ordering::Release);
    }

    /// The right to look into a table of pages that others have too: one of them may take a page of an
    /// object out of it.
    fn lock_common(&self, table: Pfn) -> Option<MutexGuard<'_, M::TableLock, ()>> {
        let common = !self.machine.is_unique(table);
        common.then(|| self.machine.table_lock(table).lock())
    }

    /// Flushes TLBs wherever the space is active or was.
    #[inline]
    pub(crate) fn shoot_down(&self, stale: Flush) {
        if stale != Flush::Nothing {
            self.machine.shoot_down(&self.context, stale);
        }
    }

    /// Flushes this hart's TLB, for an entry that has more rights than the TLB may have.
    pub(crate) fn flush_here(&self, stale: Flush) {
        self.machine.flush_here(&self.context, stale);
    }

    /// The entry of `level` for `addr`, or the one above that the walk ends at.
    #[inline(never)]
    fn at(&self, level: Level, addr: u64) -> Cursor<M> {
        Cursor::new(self.machine.clone(), self.root, addr).look_up(level)
    }

    /// The entry for the page at `addr`, an address of the user half; that of the superpage it is in;
    /// or the empty one that is in the way of both.
    pub(crate) fn look_up(&self, addr: u64) -> Cursor<M> {
        self.at(Level::LEAF, addr)
    }

    /// What the page at `addr`, an address of the user half, has in the table: in a superpage, its part.
    pub(crate) fn leaf(&self, addr: u64) -> Option<Leaf> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        Some(leaf.part(cursor.level(), addr))
    }

    /// The frame behind the page at `addr`, an address of the user half, and what a program may do
    /// with it; `None` where an access would fault. It goes by what the format allows, pages of all
    /// sizes, not by what this module makes.
    pub(crate) fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        let cursor = self.look_up(addr);
        let leaf = cursor.entry().leaf()?;
        let pfn = leaf.frame_at(cursor.level(), addr)?;
        Some((pfn, leaf.prot())).filter(|(_, prot)| !prot.is_empty())
    }

    /// The superpages and tables of pages in `range`, in order, each with the part of the range that it
    /// is for. The entries that have come by may change meanwhile.
    fn chunks(&self, range: &Range<u64>) -> impl Iterator<Item = (Entry, Range<u64>)> + use<M> {
        let cursor = Cursor::new(self.machine.clone(), self.root, range.start);
        cursor.entries(Level::SUPERPAGE, range.end)
    }

    /// The places of a table of pages for `range`, which is within its span.
    #[inline(always)]
    fn pages(&self, table: Pfn, range: &Range<u64>) -> impl Iterator<Item = (u64, Slot<'_>)> {
        self.machine.slots(table, Level::LEAF, range)
    }

    /// All places of a table of pages.
    #[inline(always)]
    fn all_pages(&self, table: Pfn) -> impl Iterator<Item = Slot<'_>> {
        self.machine.all_slots(table, Level::LEAF)
    }

    /// Whether the table has a reference to the page's frame.
    #[inline(always)]
    fn holds(&self, leaf: &Leaf) -> bool {
        !leaf.is_borrowed() || leaf.pfn() != self.machine.zero_page()
    }

    /// Pages of the space's own in a part of a table.
    fn pages_among(&self, table: Pfn, range: &Range<u64>) -> usize {
        let leaves = self.pages(table, range).filter_map(|(_, slot)| slot.leaf());
        leaves.filter(|leaf| !leaf.is_borrowed()).count()
    }

    /// Pages of `range` that are the space's own.
    pub(crate) fn pages_in(&self, range: Range<u64>) -> usize {
        let pages = self.chunks(&range).map(|(entry, inside)| match entry {
            Entry::Empty => 0,
            Entry::Branch(table) => self.pages_among(table, &inside),
            Entry::Leaf(_) => ((inside.end - inside.start) / PAGE) as usize,
        });
        pages.sum()
    }
}

/// Gives back the root. Everything below must have been cleared.
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
