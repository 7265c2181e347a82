//! Where pages come from.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use frames::{FRAME_SIZE, Frames, Pfn};
use lock_api::RawMutex;

/// A source of pages that remembers a mark and a word for each page it gave.
///
/// No lock of the object allocator is held while `alloc` or `free` runs, so they may ask the object
/// allocator to give back pages.
///
/// # Safety
/// The `FRAME_SIZE` bytes at `address(page)` of a page from `alloc` can be read and written, and are
/// nobody else's until `free` of that page; `frame` undoes `address` for each byte of a page.
/// `marked` and `word` give for such a page what `alloc` was told, and `marked` gives nothing for
/// all others. `look_up` and `byte` do what they do as provided.
pub unsafe trait Pages {
    /// A page with this mark, below 128, and this word. `cpu` is the caller's hint.
    fn alloc(&self, cpu: usize, mark: u8, word: u32) -> Option<Pfn>;

    /// Takes back a page; false, and nothing done, when it does not have this mark.
    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool;

    /// The page's first byte.
    fn address(&self, page: Pfn) -> *mut u8;

    /// The page that holds `address`; any page that has no mark when none does.
    fn frame(&self, address: *const u8) -> Pfn;

    /// The mark of a page.
    fn marked(&self, page: Pfn) -> Option<u8>;

    /// The word of a page.
    fn word(&self, page: Pfn) -> Option<u32>;

    /// The mark and the word of the page that holds `address`; 128 or more for no mark. Freeing an
    /// object starts with this, so a faster way than the one here pays.
    #[inline(always)]
    fn look_up(&self, address: *const u8) -> (usize, u32) {
        let page = self.frame(address);
        let mark = self.marked(page).map_or(usize::MAX, usize::from);
        (mark, self.word(page).unwrap_or(0))
    }

    /// Where the byte with physical address `addr` is, in a page of those from `alloc`. There may
    /// be a faster way than the one here.
    #[inline(always)]
    fn byte(&self, addr: u64) -> *mut u8 {
        let offset = addr % FRAME_SIZE as u64;
        self.address(Pfn::from_addr(addr))
            .wrapping_add(offset as usize)
    }
}

/// Pages of a [`Frames`] that are all mapped in one piece, as in a kernel's direct map.
pub struct DirectMap<R: RawMutex + 'static> {
    frames: &'static Frames<R>,
    /// Where frame 0 would be.
    zero: *mut u8,
    /// Where the first frame is that `frames` has records of.
    first: *mut u8,
}

// SAFETY: the pointer is only a base to compute addresses from, and `Frames` may be shared.
unsafe impl<R: RawMutex + Sync> Send for DirectMap<R> {}
// SAFETY: as above.
unsafe impl<R: RawMutex + Sync> Sync for DirectMap<R> {}

impl<R: RawMutex> DirectMap<R> {
    /// Pages of `frames`, of which `first` is at `base` and all others as far from there as their
    /// numbers say.
    ///
    /// # Safety
    /// All frames that `frames` hands out are mapped there, readable and writable, for ever, and
    /// who gets one from `frames` is the only one to use it.
    pub unsafe fn new(frames: &'static Frames<R>, first: Pfn, base: NonNull<u8>) -> DirectMap<R> {
        let zero = base.as_ptr().wrapping_sub(first.addr() as usize);
        let first = zero.wrapping_add(frames.first().addr() as usize);
        DirectMap {
            frames,
            zero,
            first,
        }
    }
}

// SAFETY: the promise of `new`; `Frames` hands out no frame twice, marks only what it handed out,
// and `word` is set before the mark and changed by nobody while there is one.
unsafe impl<R: RawMutex> Pages for DirectMap<R> {
    #[inline]
    fn alloc(&self, cpu: usize, mark: u8, word: u32) -> Option<Pfn> {
        let page = self.frames.alloc(cpu, 0).ok()?;
        self.frames.word(page)?.store(word, Ordering::Relaxed);
        self.frames.mark(page, mark).ok()?;
        Some(page)
    }

    #[inline]
    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool {
        self.frames.unmark(page, mark).is_ok() && self.frames.free(cpu, page, 0).is_ok()
    }

    #[inline]
    fn address(&self, page: Pfn) -> *mut u8 {
        self.zero.wrapping_add(page.get() as usize * FRAME_SIZE)
    }

    #[inline]
    fn frame(&self, address: *const u8) -> Pfn {
        Pfn::from_addr(address.addr().wrapping_sub(self.zero.addr()) as u64)
    }

    #[inline]
    fn marked(&self, page: Pfn) -> Option<u8> {
        self.frames.marked(page)
    }

    #[inline]
    fn word(&self, page: Pfn) -> Option<u32> {
        self.frames
            .word(page)
            .map(|word: &AtomicU32| word.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn look_up(&self, address: *const u8) -> (usize, u32) {
        let offset = address.addr().wrapping_sub(self.first.addr());
        self.frames.mark_and_word(offset / FRAME_SIZE)
    }

    #[inline(always)]
    fn byte(&self, addr: u64) -> *mut u8 {
        self.zero.wrapping_add(addr as usize)
    }
}
