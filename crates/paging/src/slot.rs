//! The place of one entry in a table. All stores to page tables are here.
//!
//! Each is one atomic operation: hardware walks the tables meanwhile, and may set bits of its own. Who
//! changes a table keeps others from changing it; and what an operation took out or changed may still
//! be remembered by a hart, so each of them tells what there was before.

use crate::entry::{Entry, Leaf};
use crate::level::Level;
use crate::sv39::{ENTRIES, MARK, WRITABLE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use frames::Pfn;

/// One page of page table.
pub type Table = [AtomicU64; ENTRIES];

/// Where page tables are.
pub trait Tables {
    /// The table in this frame.
    fn table(&self, pfn: Pfn) -> &Table;

    /// The places of a table of `level` for `range`, which is not empty and within what the table
    /// spans, each with the address that its entry begins at.
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

    /// All places of a table of `level`, in order.
    #[inline(always)]
    fn all_slots(&self, table: Pfn, level: Level) -> impl DoubleEndedIterator<Item = Slot<'_>> {
        let words = self.table(table).iter();
        words.map(move |word| Slot { word, level })
    }

    /// Whether a table has no entry but those for `range`, which is as for [`slots`](Self::slots).
    fn is_empty_outside(&self, table: Pfn, level: Level, range: &Range<u64>) -> bool {
        let (below, above) = self.table(table).split_at(level.index(range.start));
        let above = above
            .iter()
            .skip(level.index(range.end - 1) - level.index(range.start) + 1);
        let mut words = above.chain(below.iter().rev());
        words.all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Whether a table has no entry. It looks at those around that for `near` first, where any are
    /// likely.
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

/// The place of an entry.
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

    /// Writes the entry of a table that nothing leads to yet, over whatever there was.
    #[inline(always)]
    pub fn init(self, entry: Entry) {
        self.word.store(entry.bits(), Ordering::Relaxed);
    }

    /// As [`init`](Self::init), the same entry as at another place.
    #[inline(always)]
    pub fn init_like(self, other: Slot<'_>) {
        let bits = other.word.load(Ordering::Relaxed);
        self.word.store(bits, Ordering::Relaxed);
    }

    /// Writes the entry, where there is none. The contents of what it points to come before it, for
    /// other walkers.
    #[inline(always)]
    pub fn set(self, entry: Entry) {
        debug_assert_eq!(self.get(), Entry::Empty, "set an entry that is in use");
        self.word.store(entry.bits(), Ordering::Release);
    }

    /// Puts another entry in the place of the one that is there, which it returns.
    #[inline(always)]
    pub fn replace(self, entry: Entry) -> Entry {
        let old = self.word.swap(entry.bits(), Ordering::AcqRel);
        Entry::decode(old, self.level)
    }

    /// Takes the entry out.
    #[inline(always)]
    pub fn take(self) -> Entry {
        self.replace(Entry::Empty)
    }

    /// Whether the entry is marked: it has a bit that hardware does not look at, and that is for who owns
    /// the tables to use. It goes with the entry, and stays when rights change.
    #[inline(always)]
    pub fn is_marked(self) -> bool {
        self.word.load(Ordering::Relaxed) & MARK != 0
    }

    /// Marks an entry that is in use.
    #[inline(always)]
    pub fn mark(self) {
        debug_assert_ne!(self.get(), Entry::Empty, "mark an entry that is not in use");
        self.word.fetch_or(MARK, Ordering::Relaxed);
    }

    /// Takes the mark away.
    #[inline(always)]
    pub fn unmark(self) {
        self.word.fetch_and(!MARK, Ordering::Relaxed);
    }

    /// Makes a page read-only, and tells whether it could be written. What hardware sets meanwhile goes
    /// with the right to write.
    #[inline(always)]
    pub fn forbid_write(self) -> bool {
        let writable = self.word.load(Ordering::Relaxed) & WRITABLE != 0;
        if writable {
            self.word.fetch_and(!WRITABLE, Ordering::AcqRel);
        }
        writable
    }

    /// Changes a page's entry, and tells what it was and what it is now; `None` where there is no
    /// page, or nothing to change. What hardware sets meanwhile is not lost.
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

/// Makes a frame of any content an empty table.
pub(crate) fn init_empty(table: &Table) {
    // Eight at a time, as compilers do not do it for atomics by themselves.
    for words in table.as_chunks::<8>().0 {
        words
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
    }
}
