//! The page source of kmalloc.

use core::ptr::NonNull;
use frames::{FRAME_SIZE, Frames, Marks, Pfn};
use lock_api::RawMutex;

/// A source of pages that stores a mark and a word for each allocated page.
///
/// kmalloc holds none of its locks while it calls `alloc` or `free`, so these may call its shrinker.
///
/// # Safety
/// The `FRAME_SIZE` bytes at `address(page)` of a page from `alloc` can be read and written, and are
/// nobody else's until `free` of that page; `page_of` undoes `address` for each byte of a page.
/// `marked` and `word` give for such a page what `mark` and `remark` were told last, and `marked` gives
/// nothing for all others. Whoever sees a mark from `mark` sees the word that came with it, and all that
/// its caller did before. `look_up` and `byte` do what they do as provided.
pub unsafe trait Pages {
    /// Allocates a page without a mark. `cpu` is a hint.
    fn alloc(&self, cpu: usize) -> Option<Pfn>;

    /// Frees a page; returns false, with nothing done, if it does not have this mark.
    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool;

    /// Sets the mark, below 128, and the word of a page from `alloc`; returns false, with nothing done, if it is not
    /// one or has a mark.
    fn mark(&self, page: Pfn, mark: u8, word: u32) -> bool;

    /// Changes the mark of a page, but not its word; returns false, with nothing done, if the mark is not `from`.
    fn remark(&self, page: Pfn, from: u8, to: u8) -> bool;

    /// Address of the page's first byte.
    fn address(&self, page: Pfn) -> *mut u8;

    /// The page that contains `address`; if there is none, any page without a mark.
    fn page_of(&self, address: *const u8) -> Pfn;

    /// The mark of a page.
    fn marked(&self, page: Pfn) -> Option<u8>;

    /// The word of a page.
    fn word(&self, page: Pfn) -> Option<u32>;

    /// Mark and word of the page that contains `address`; the mark is 128 or more if there is none. Every free starts
    /// with this, so a faster implementation than this one pays off.
    #[inline(always)]
    fn look_up(&self, address: *const u8) -> (usize, u32) {
        let page = self.page_of(address);
        let mark = self.marked(page).map_or(usize::MAX, usize::from);
        (mark, self.word(page).unwrap_or(0))
    }

    /// The address of the byte with physical address `addr`, in a page from `alloc`. Implementations may be faster than
    /// this one.
    #[inline(always)]
    fn byte(&self, addr: u64) -> *mut u8 {
        let offset = addr % FRAME_SIZE as u64;
        self.address(Pfn::from_addr(addr))
            .wrapping_add(offset as usize)
    }
}

/// Frames that are mapped in one piece, as in a kernel's direct map, and who gives them out.
///
/// # Safety
/// What `alloc` gives is a single frame of [`marks`](Memory::marks), mapped at its distance from
/// [`start`](Memory::start), readable and writable, and nobody else's until `free` of it. The marks do what
/// [`Marks`] says, and only this memory's user marks its frames.
pub unsafe trait Memory {
    /// The page allocator.
    type Marks: Marks;

    /// The page allocator, for what it keeps for each frame.
    fn marks(&self) -> &Self::Marks;

    /// Where the byte with physical address 0 would be.
    fn start(&self) -> *mut u8;

    /// A single frame.
    fn alloc(&self, cpu: usize) -> Option<Pfn>;

    /// Takes a single frame back; whether it was one in use.
    fn free(&self, cpu: usize, frame: Pfn) -> bool;
}

/// The pages of a [`Memory`].
pub struct DirectMap<M>(M);

impl<M: Memory> DirectMap<M> {
    /// The pages of `memory`.
    pub const fn new(memory: M) -> DirectMap<M> {
        DirectMap(memory)
    }
}

// SAFETY: the promises of `Memory` and `Marks`.
unsafe impl<M: Memory> Pages for DirectMap<M> {
    #[inline]
    fn alloc(&self, cpu: usize) -> Option<Pfn> {
        self.0.alloc(cpu)
    }

    #[inline]
    fn free(&self, cpu: usize, page: Pfn, mark: u8) -> bool {
        self.0.marks().unmark(page, mark).is_ok() && self.0.free(cpu, page)
    }

    #[inline(never)]
    fn mark(&self, page: Pfn, mark: u8, word: u32) -> bool {
        self.0.marks().mark(page, mark, word).is_ok()
    }

    #[inline(never)]
    fn remark(&self, page: Pfn, from: u8, to: u8) -> bool {
        self.0.marks().remark(page, from, to).is_ok()
    }

    #[inline]
    fn address(&self, page: Pfn) -> *mut u8 {
        self.byte(page.addr())
    }

    #[inline]
    fn page_of(&self, address: *const u8) -> Pfn {
        Pfn::from_addr(address.addr().wrapping_sub(self.0.start().addr()) as u64)
    }

    #[inline]
    fn marked(&self, page: Pfn) -> Option<u8> {
        self.0.marks().marked(page)
    }

    #[inline]
    fn word(&self, page: Pfn) -> Option<u32> {
        self.0.marks().word(page)
    }

    #[inline(always)]
    fn look_up(&self, address: *const u8) -> (usize, u32) {
        let offset = address.addr().wrapping_sub(self.0.start().addr());
        self.0.marks().mark_and_word(offset / FRAME_SIZE)
    }

    #[inline(always)]
    fn byte(&self, addr: u64) -> *mut u8 {
        self.0.start().wrapping_add(addr as usize)
    }
}

/// A [`Memory`] whose place is known when the program runs: on the host, and for tests.
pub struct Region<R: RawMutex + 'static> {
    frames: &'static Frames<R>,
    start: *mut u8,
}

// SAFETY: the pointer is only a base to compute addresses from, and `Frames` may be shared.
unsafe impl<R: RawMutex + Sync> Send for Region<R> {}
// SAFETY: as above.
unsafe impl<R: RawMutex + Sync> Sync for Region<R> {}

impl<R: RawMutex> Region<R> {
    /// All frames of `frames`, of which `first` is at `base` and all others as far from there as their
    /// numbers say.
    ///
    /// # Safety
    /// All frames that `frames` hands out are mapped there, readable and writable, for ever, and
    /// who gets one from `frames` is the only one to use it.
    pub unsafe fn new(frames: &'static Frames<R>, first: Pfn, base: NonNull<u8>) -> Region<R> {
        let start = base.as_ptr().wrapping_sub(first.addr() as usize);
        Region { frames, start }
    }
}

// SAFETY: the promise of `new`; `Frames` hands out no frame twice.
unsafe impl<R: RawMutex> Memory for Region<R> {
    type Marks = Frames<R>;

    #[inline(always)]
    fn marks(&self) -> &Frames<R> {
        self.frames
    }

    #[inline(always)]
    fn start(&self) -> *mut u8 {
        self.start
    }

    #[inline]
    fn alloc(&self, cpu: usize) -> Option<Pfn> {
        self.frames.alloc(cpu, 0).ok()
    }

    #[inline]
    fn free(&self, cpu: usize, frame: Pfn) -> bool {
        self.frames.free(cpu, frame, 0).is_ok()
    }
}
