//! A machine of pages in a vector, with reference counts, frames that fail on request, and harts with a
//! TLB each.

use crate::harts::{Harts, Spin};
use abi::Use;
use frames::Pfn;
use paging::{Table, Tables};
use std::ops::Range;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, MutexGuard};
use vm::{Files, Flush, Machine, Object, Reservations};

/// What fills frames that nobody asked to be zeroed.
pub(crate) const JUNK: u64 = 0xdead_beef_dead_beef;
/// What stands in the kernel half's entries.
const KERNEL: u64 = 0x1234_5678_9abc_def0;
/// Number of the first frame; as on a real machine, it is not 0.
const BASE: u32 = 0x80000;
/// Frames in a large page.
const LARGE: usize = 512;

pub(crate) struct Inner {
    pages: Vec<Table>,
    refs: Vec<AtomicU32>,
    /// What each frame in use is for.
    uses: Vec<AtomicU8>,
    free: Mutex<Vec<u32>>,
    /// Of each 512 frames, whether they are a block whose references are counted as one. Here each
    /// frame has its count all the same, but nobody may ask for a single one's.
    whole: Vec<AtomicBool>,
    /// Allocations until one fails; negative: none will.
    countdown: AtomicI64,
    /// Whether an allocation takes long, for the sake of races.
    slow: AtomicBool,
    /// The reservations, on machines that make any.
    reserved: Mutex<Option<Reservations>>,
    /// Allocations that there was no frame for, and promises that could not be held.
    refused: AtomicUsize,
    /// Frames promised, and the most that may be.
    committed: AtomicU64,
    limit: AtomicU64,
    harts: Harts,
    tables: [lock_api::Mutex<Spin, ()>; 2],
    /// What somebody else does when the next common reference is about to be given up.
    meanwhile: Mutex<Option<Meanwhile>>,
}

/// A file in use: its number and its object.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) number: u32,
    pub(crate) object: Arc<Object<Ram>>,
}

impl AsRef<Object<Ram>> for File {
    fn as_ref(&self) -> &Object<Ram> {
        &self.object
    }
}

impl PartialEq for File {
    fn eq(&self, other: &File) -> bool {
        self.number == other.number
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {}", self.number)
    }
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// Which frame of the machine this is, counted from 0.
pub(crate) fn index_of(pfn: Pfn) -> usize {
    (pfn.get() - BASE) as usize
}

/// The machine. Clones are the same machine.
#[derive(Clone)]
pub(crate) struct Ram(Arc<Inner>);

impl Ram {
    pub(crate) fn new(frames: usize) -> Ram {
        let page = |_| std::array::from_fn(|_| AtomicU64::new(JUNK));
        let inner = Inner {
            pages: (0..frames).map(page).collect(),
            refs: (0..frames).map(|_| AtomicU32::new(0)).collect(),
            uses: (0..frames).map(|_| AtomicU8::new(0)).collect(),
            free: Mutex::new((1..frames as u32).rev().collect()),
            whole: (0..frames / LARGE)
                .map(|_| AtomicBool::new(false))
                .collect(),
            countdown: AtomicI64::new(-1),
            slow: AtomicBool::new(false),
            reserved: Mutex::new(None),
            refused: AtomicUsize::new(0),
            committed: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
            harts: Harts::new(frames),
            tables: Default::default(),
            meanwhile: Mutex::default(),
        };
        inner.pages[0]
            .iter()
            .for_each(|word| word.store(0, Relaxed));
        inner.refs[0].store(1, Relaxed);
        Ram(Arc::new(inner))
    }

    /// What a frame is used for.
    pub(crate) fn use_of(&self, pfn: Pfn) -> Option<Use> {
        let number = self.0.uses[self.index(pfn)].load(Relaxed);
        Use::ALL.get(usize::from(number)).copied()
    }

    pub(crate) fn harts(&self) -> &Harts {
        &self.0.harts
    }

    fn index(&self, pfn: Pfn) -> usize {
        let index = pfn.get().checked_sub(BASE).expect("a frame below memory") as usize;
        assert!(
            index < self.0.pages.len(),
            "{pfn:?} is behind the end of memory"
        );
        assert_ne!(
            self.0.refs[index].load(Relaxed),
            0,
            "{pfn:?} is used and is free"
        );
        index
    }

    /// As [`index`](Self::index), of a frame with a count of its own.
    fn single(&self, pfn: Pfn) -> usize {
        let index = self.index(pfn);
        let whole = self.0.whole.get(index / LARGE);
        assert!(
            !whole.is_some_and(|whole| whole.load(Relaxed)),
            "{pfn:?} is inside a block"
        );
        index
    }

    /// The frames of a block, in use.
    fn block(&self, block: Pfn) -> Range<usize> {
        let index = self.index(block);
        assert_eq!(index % LARGE, 0, "{block:?} does not start a block");
        index..index + LARGE
    }

    fn let_go(&self, index: usize) {
        let pfn = Pfn::new(BASE + index as u32);
        if self.0.refs[index].load(Relaxed) == 1 {
            self.check_not_walked(pfn, true);
            self.check_not_reached(pfn);
        }
        if self.0.refs[index].fetch_sub(1, AcqRel) == 1 {
            self.0.pages[index]
                .iter()
                .for_each(|word| word.store(JUNK, Relaxed));
            let mut free = self.0.free.lock().expect("no test panicked");
            free.push(index as u32);
        }
    }

    /// Blocks of which nothing is in use.
    pub(crate) fn free_blocks(&self) -> usize {
        let refs = self.0.refs.chunks_exact(LARGE);
        refs.filter(|refs| refs.iter().all(|refs| refs.load(Relaxed) == 0))
            .count()
    }

    pub(crate) fn words(&self, pfn: Pfn) -> &Table {
        &self.0.pages[self.index(pfn)]
    }

    /// Frames in use, but for the page of zeroes.
    pub(crate) fn used(&self) -> usize {
        self.0.pages.len() - 1 - self.0.free.lock().expect("no test panicked").len()
    }

    /// Allocations and promises so far that there was no frame for.
    pub(crate) fn refused(&self) -> usize {
        self.0.refused.load(Relaxed)
    }

    /// References to each frame in use but the page of zeroes, which must be zero still.
    pub(crate) fn references(&self) -> Vec<(Pfn, u32)> {
        let zero = self.words(self.zero_page());
        assert!(
            zero.iter().all(|w| w.load(Relaxed) == 0),
            "the page of zeroes was written"
        );
        let count = |index: usize| {
            (
                Pfn::new(BASE + index as u32),
                self.0.refs[index].load(Relaxed),
            )
        };
        (1..self.0.refs.len())
            .map(count)
            .filter(|&(_, refs)| refs > 0)
            .collect()
    }

    /// References to all frames but the page of zeroes, which comes first and must be zero still.
    pub(crate) fn counts(&self) -> impl ExactSizeIterator<Item = u32> {
        let zero = self.words(self.zero_page());
        assert!(
            zero.iter().all(|w| w.load(Relaxed) == 0),
            "the page of zeroes was written"
        );
        let count = |index: usize| match index {
            0 => 0,
            _ => self.0.refs[index].load(Relaxed),
        };
        (0..self.0.refs.len()).map(count)
    }

    /// From now on no more frames are promised than there are, less so many for the page cache.
    pub(crate) fn be_strict(&self, cached: usize) {
        let frames = self.0.pages.len() - 1 - cached;
        self.0.limit.store(frames as u64, Relaxed);
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.0.limit.load(Relaxed) != u64::MAX
    }

    /// Frames promised.
    pub(crate) fn committed(&self) -> u64 {
        self.0.committed.load(Relaxed)
    }

    /// From now on frames are reserved for memory that is filled from its start.
    pub(crate) fn make_reservations(&self) {
        *self.reserved() = Some(Reservations::new());
    }

    fn reserved(&self) -> MutexGuard<'_, Option<Reservations>> {
        self.0.reserved.lock().expect("no test panicked")
    }

    /// Frames that are reserved and not used.
    pub(crate) fn frames_reserved(&self) -> usize {
        self.reserved().as_ref().map_or(0, Reservations::frames)
    }

    /// Gives back what is reserved and not used; how many frames.
    pub(crate) fn reclaim(&self) -> usize {
        let reserved = self.reserved();
        reserved
            .as_ref()
            .map_or(0, |all| all.reclaim(|pfn| self.release(pfn)))
    }

    /// Between the next look at whether a reference is the last and its end, somebody else does this.
    pub(crate) fn meanwhile(&self, work: impl FnOnce() + Send + 'static) {
        *self.0.meanwhile.lock().expect("no test panicked") = Some(Box::new(work));
    }

    /// From now on an allocation takes long enough for others to get in between.
    pub(crate) fn slow_down(&self) {
        self.0.slow.store(true, Relaxed);
    }

    /// Runs `work` with the frame allocation after the next `skip` failing; tells whether one did.
    pub(crate) fn failing_after<R>(&self, skip: usize, work: impl FnOnce() -> R) -> (R, bool) {
        self.0.countdown.store(skip as i64, Relaxed);
        let result = work();
        (result, self.0.countdown.swap(-1, Relaxed) < 0)
    }

    /// The kernel half must be as `init_root` made it.
    pub(crate) fn check_root(&self, root: Pfn) {
        let mut half = self.words(root)[256..].iter();
        assert!(
            half.all(|w| w.load(Relaxed) == KERNEL),
            "the kernel half of {root:?} changed"
        );
    }
}

impl Tables for Ram {
    fn table(&self, pfn: Pfn) -> &Table {
        self.words(pfn)
    }
}

impl Files for Ram {
    type File = File;
}

// SAFETY: a frame is in the free list or has references, never both; the checks of `index` hold that
// to account, and all memory is atomics.
unsafe impl Machine for Ram {
    type ObjectLock = Spin;
    type EntriesLock = Spin;
    type TableLock = Spin;
    /// The root.
    type Context = Pfn;

    fn new_context(&self, root: Pfn) -> Pfn {
        self.begin(root);
        root
    }

    fn table_lock(&self, table: Pfn) -> &lock_api::Mutex<Spin, ()> {
        &self.0.tables[index_of(table) % 2]
    }

    fn alloc(&self) -> Option<Pfn> {
        if self.0.slow.load(Relaxed) {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        if self.0.countdown.load(Relaxed) >= 0 && self.0.countdown.fetch_sub(1, Relaxed) == 0 {
            return None;
        }
        let pop = || self.0.free.lock().expect("no test panicked").pop();
        let again = || (self.reclaim() > 0).then(pop).flatten();
        let Some(index) = pop().or_else(again) else {
            self.0.refused.fetch_add(1, Relaxed);
            return None;
        };
        let old = self.0.refs[index as usize].swap(1, Relaxed);
        assert_eq!(old, 0, "a frame in the free list has references");
        let pfn = Pfn::new(BASE + index);
        self.label(pfn, Use::Anonymous);
        Some(pfn)
    }

    fn label(&self, pfn: Pfn, what: Use) {
        let index = self.index(pfn);
        let whole = self.0.whole.get(index / LARGE);
        let frames = match whole.is_some_and(|whole| whole.load(Relaxed)) {
            true => self.block(pfn),
            false => index..index + 1,
        };
        for index in frames {
            let refs = self.0.refs[index].load(Relaxed);
            assert_eq!(refs, 1, "{pfn:?} is somebody else's too");
            self.0.uses[index].store(what as u8, Relaxed);
        }
    }

    fn relabel(&self, pfn: Pfn, what: Use) {
        self.0.uses[self.single(pfn)].store(what as u8, Relaxed);
    }

    fn alloc_zeroed(&self) -> Option<Pfn> {
        let pfn = self.alloc()?;
        self.words(pfn)
            .iter()
            .for_each(|word| word.store(0, Relaxed));
        Some(pfn)
    }

    fn commit(&self, frames: u64) -> bool {
        let limit = self.0.limit.load(Relaxed);
        let within = |old: u64| old.checked_add(frames).filter(|&new| new <= limit);
        let done = self.0.committed.fetch_update(Relaxed, Relaxed, within);
        self.0
            .refused
            .fetch_add(usize::from(done.is_err()), Relaxed);
        done.is_ok()
    }

    fn uncommit(&self, frames: u64) {
        let old = self.0.committed.fetch_sub(frames, Relaxed);
        assert!(
            old >= frames,
            "{frames} of {old} promised frames taken back"
        );
    }

    fn retain(&self, pfn: Pfn) {
        assert_ne!(
            pfn,
            self.zero_page(),
            "the page of zeroes has no references to count"
        );
        self.0.refs[self.single(pfn)].fetch_add(1, Relaxed);
    }

    fn release(&self, pfn: Pfn) {
        assert_ne!(
            pfn,
            self.zero_page(),
            "the page of zeroes has no references to count"
        );
        self.let_go(self.single(pfn));
    }

    fn is_unique(&self, pfn: Pfn) -> bool {
        self.0.refs[self.single(pfn)].load(Relaxed) == 1
    }

    fn release_unless_last(&self, pfn: Pfn) -> bool {
        let work = self.0.meanwhile.lock().expect("no test panicked").take();
        if let Some(work) = work {
            work();
        }
        let index = self.single(pfn);
        let refs = &self.0.refs[index];
        self.check_not_walked(pfn, refs.load(Relaxed) == 1);
        refs.fetch_update(Relaxed, Relaxed, |refs| (refs > 1).then(|| refs - 1))
            .is_ok()
    }

    fn alloc_large(&self) -> Option<Pfn> {
        let mut free = self.0.free.lock().expect("no test panicked");
        let mut blocks = self.0.refs.chunks_exact(LARGE);
        let found = blocks.position(|refs| refs.iter().all(|refs| refs.load(Relaxed) == 0))?;
        let block = found * LARGE..(found + 1) * LARGE;
        free.retain(|&index| !block.contains(&(index as usize)));
        self.0.refs[block.clone()]
            .iter()
            .for_each(|refs| refs.store(1, Relaxed));
        self.0.whole[found].store(true, Relaxed);
        let block = Pfn::new(BASE + block.start as u32);
        self.label(block, Use::Anonymous);
        Some(block)
    }

    fn retain_large(&self, block: Pfn) {
        for refs in &self.0.refs[self.block(block)] {
            assert_ne!(refs.fetch_add(1, Relaxed), 0, "a part of {block:?} is free");
        }
    }

    fn release_large(&self, block: Pfn) {
        let frames = self.block(block);
        // With its last reference the block is no block any more.
        if self.is_unique_large(block) {
            self.0.whole[frames.start / LARGE].store(false, Relaxed);
        }
        frames.for_each(|index| self.let_go(index));
    }

    fn is_unique_large(&self, block: Pfn) -> bool {
        let mut refs = self.0.refs[self.block(block)].iter();
        refs.all(|refs| refs.load(Relaxed) == 1)
    }

    fn reservations<R>(&self, act: impl FnOnce(&mut Reservations) -> R) -> Option<R> {
        self.reserved().as_mut().map(act)
    }

    fn join_large(&self, block: Pfn) -> bool {
        let unique = self.is_unique_large(block);
        let whole = &self.0.whole[self.block(block).start / LARGE];
        if unique {
            assert!(!whole.swap(true, Relaxed), "{block:?} is a block already");
        }
        unique
    }

    fn split_large(&self, block: Pfn) {
        let first = self.block(block).start;
        self.0.whole[first / LARGE].store(false, Relaxed);
    }

    fn zero_page(&self) -> Pfn {
        Pfn::new(BASE)
    }

    fn copy_page(&self, from: Pfn, to: Pfn) {
        for (from, to) in self.words(from).iter().zip(self.words(to)) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    fn clear_tail(&self, pfn: Pfn, from: usize) {
        assert!(from < 4096, "a tail from byte {from} of a page");
        let words = self.words(pfn);
        if !from.is_multiple_of(8) {
            let keep = (1 << (from % 8 * 8)) - 1;
            words[from / 8].fetch_and(keep, Relaxed);
        }
        words[from.div_ceil(8)..]
            .iter()
            .for_each(|word| word.store(0, Relaxed));
    }

    fn init_root(&self, root: Pfn) {
        let root = self.words(root);
        assert!(
            root.iter().all(|w| w.load(Relaxed) == 0),
            "the root was not zeroed"
        );
        root[256..]
            .iter()
            .for_each(|entry| entry.store(KERNEL, Relaxed));
    }

    fn shoot_down(&self, root: &Pfn, stale: Flush) {
        self.flush_everywhere(*root, stale);
    }

    fn flush_here(&self, root: &Pfn, stale: Flush) {
        self.flush_this_hart(*root, stale);
    }
}
