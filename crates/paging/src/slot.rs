//! Slots: the entries of a table in memory. All stores to page tables are here.
//!
//! Each store is one atomic operation, since hardware walks the tables meanwhile and may set bits. Callers
//! serialize their changes; each operation returns the old entry, because a TLB may still have it.

use crate::entry::{Entry, Leaf};
use crate::level::Level;
use crate::sv39::{DEPOSIT, ENTRIES, WRITABLE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use frames::Pfn;

/// One page of page table.
pub type Table = [AtomicU64; ENTRIES];

/// Entries that are checked together, to save instructions.
const CHUNK: usize = 8;

/// The union of the bits of these entries.
#[inline(always)]
fn all_bits(chunk: &[AtomicU64; CHUNK]) -> u64 {
    let words = chunk.iter();
    words.fold(0, |bits, word| bits | word.load(Ordering::Relaxed))
}

/// Access to page tables.
pub trait Tables {
    /// The table in this frame.
    fn table(&self, pfn: Pfn) -> &Table;

    /// The slots of a table of `level` for `range`, which is not empty and within the span of the table, each
    /// with the address of its entry.
    #[inline(always)]
    fn slots(
        &self,
        table: Pfn,
        level: Level,
        range: &Range<u64>,
    ) -> impl Iterator<Item = (u64, Slot<'_>)> {
        debug_assert!(!range.is_empty(), "places for no address");
        let (first, last) = (level.index(range.start), level.index(range.end - 1));
        let words = self.table(table).get(first..=last).unwrap_or(&[]);
        let mut next = range.start & !(level.entry_span() - 1);
        words.iter().map(move |word| {
            let addr = next;
            next = addr.wrapping_add(level.entry_span());
            (addr, Slot { word, level })
        })
    }

    /// All slots of a table of `level`, in order.
    #[inline(always)]
    fn all_slots(&self, table: Pfn, level: Level) -> impl DoubleEndedIterator<Item = Slot<'_>> {
        let words = self.table(table).iter();
        words.map(move |word| Slot { word, level })
    }

    /// Whether a table has no entries outside `range`, which is as for [`slots`](Self::slots).
    fn is_empty_outside(&self, table: Pfn, level: Level, range: &Range<u64>) -> bool {
        let (below, above) = self.table(table).split_at(level.index(range.start));
        let above = above
            .iter()
            .skip(level.index(range.end - 1) - level.index(range.start) + 1);
        let mut words = above.chain(below.iter().rev());
        words.all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Copies the upper half of a table to one that is not linked yet.
    fn copy_upper_half(&self, from: Pfn, to: Pfn) {
        let (from, _) = self.table(from)[ENTRIES / 2..].as_chunks::<CHUNK>();
        let (to, _) = self.table(to)[ENTRIES / 2..].as_chunks::<CHUNK>();
        for (from, to) in from.iter().zip(to) {
            for (from, to) in from.iter().zip(to) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Whether a table has at least `wanted` entries.
    fn has_entries(&self, table: Pfn, mut wanted: usize) -> bool {
        let (chunks, _) = self.table(table).as_chunks::<CHUNK>();
        for chunk in chunks.iter().filter(|chunk| all_bits(chunk) != 0) {
            let used = |word: &&AtomicU64| word.load(Ordering::Relaxed) != 0;
            wanted = wanted.saturating_sub(chunk.iter().filter(used).count());
            if wanted == 0 {
                return true;
            }
        }
        wanted == 0
    }

    /// Whether a leaf table has a writable page.
    fn has_writable(&self, table: Pfn) -> bool {
        let (chunks, _) = self.table(table).as_chunks::<CHUNK>();
        chunks.iter().any(|chunk| all_bits(chunk) & WRITABLE != 0)
    }

    /// Whether a table is empty. Searches from the entry for `near`, as entries are likely there.
    fn is_empty(&self, table: Pfn, level: Level, near: u64) -> bool {
        let (below, above) = self.table(table).split_at(level.index(near));
        let mut words = above.iter().chain(below.iter().rev());
        words.all(|word| word.load(Ordering::Relaxed) == 0)
    }
}

impl<T: Tables> Tables for &T {
    fn table(&self, pfn: Pfn) -> &Table {
        T::table(self, pfn)
    }
}

/// The slot of an entry.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    word: &'a AtomicU64,
    level: Level,
}

impl<'a> Slot<'a> {
    #[inline(always)]
    pub(crate) fn new(table: &'a Table, level: Level, addr: u64) -> Slot<'a> {
        Slot {
            word: &table[level.index(addr)],
            level,
        }
    }

    /// The entry.
    #[inline(always)]
    pub fn get(self) -> Entry {
        Entry::decode(self.word.load(Ordering::Relaxed), self.level)
    }

    /// The page that the entry is, if it is one.
    #[inline(always)]
    pub fn leaf(self) -> Option<Leaf> {
        self.get().leaf()
    }

    /// Writes an entry of a table that is not linked yet, over any contents.
    #[inline(always)]
    pub fn init(self, entry: Entry) {
        self.word.store(entry.bits(), Ordering::Relaxed);
    }

    /// As [`init`](Self::init), with a copy of another entry.
    #[inline(always)]
    pub fn init_like(self, other: Slot<'_>) {
        let bits = other.word.load(Ordering::Relaxed);
        self.word.store(bits, Ordering::Relaxed);
    }

    /// Sets an empty entry, with release ordering: other walkers see the contents of what it points to.
    #[inline(always)]
    pub fn set(self, entry: Entry) {
        debug_assert_eq!(self.get(), Entry::Empty, "set an entry that is in use");
        self.word.store(entry.bits(), Ordering::Release);
    }

    /// Replaces the entry; returns the old one.
    #[inline(always)]
    pub fn replace(self, entry: Entry) -> Entry {
        let old = self.word.swap(entry.bits(), Ordering::AcqRel);
        Entry::decode(old, self.level)
    }

    /// Clears the entry; returns the old one.
    #[inline(always)]
    pub fn take(self) -> Entry {
        self.replace(Entry::Empty)
    }

    /// Whether the entry has the deposit bit: a software bit by which the owner of the tables records that a
    /// page table is deposited for it. Clearing the entry clears it; changes of permissions keep it.
    #[inline(always)]
    pub fn has_deposit(self) -> bool {
        self.word.load(Ordering::Relaxed) & DEPOSIT != 0
    }

    /// Sets the deposit bit of an entry in use.
    #[inline(always)]
    pub fn set_deposit(self) {
        debug_assert_ne!(self.get(), Entry::Empty, "mark an entry that is not in use");
        self.word.fetch_or(DEPOSIT, Ordering::Relaxed);
    }

    /// Clears the deposit bit.
    #[inline(always)]
    pub fn clear_deposit(self) {
        self.word.fetch_and(!DEPOSIT, Ordering::Relaxed);
    }

    /// Makes a page read-only; returns whether it was writable. The dirty bit is cleared with the permission.
    #[inline(always)]
    pub fn write_protect(self) -> bool {
        let writable = self.word.load(Ordering::Relaxed) & WRITABLE != 0;
        if writable {
            self.word.fetch_and(!WRITABLE, Ordering::AcqRel);
        }
        writable
    }

    /// Changes the entry of a page; returns the old and the new one, or `None` if there is no page or nothing
    /// to change. Retries if hardware sets bits meanwhile.
    #[inline(always)]
    pub fn change(self, mut to: impl FnMut(Leaf) -> Leaf) -> Option<(Leaf, Leaf)> {
        let mut old = self.leaf()?;
        loop {
            let new = to(old);
            if new == old {
                return None;
            }
            let (ok, err) = (Ordering::AcqRel, Ordering::Relaxed);
            let swap = self
                .word
                .compare_exchange_weak(old.bits(), new.bits(), ok, err);
            match swap {
                Ok(_) => return Some((old, new)),
                Err(bits) => old = Entry::decode(bits, self.level).leaf()?,
            }
        }
    }
}

/// Initializes an empty table.
pub(crate) fn init_empty(table: &Table) {
    // Eight at a time, since compilers do not unroll loops over atomics.
    for words in table.as_chunks::<8>().0 {
        words
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
    }
}
