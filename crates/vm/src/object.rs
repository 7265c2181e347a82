//! Memory objects: what can be mapped, with the frames that it has at the moment. An object answers one
//! question: which frame is page `n`?
//!
//! There are two kinds, which differ in who makes a page that is missing (their [`Pager`]): shared
//! anonymous memory gets zeroes, and a file is read. The objects of files are the page cache.
//!
//! The lock of an object guards its pages and the list of windows that map it. Nobody allocates, reads the
//! disk or takes another sleeping lock with it held: what a change needs is made before, and then the
//! object is looked at again.

mod pages;

use crate::Error;
use crate::machine::{Frame, Machine};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use frames::Pfn;
use kmalloc::KVec;
use lock_api::Mutex;
use pages::{Pages, Room, frames_for};
use paging::PAGE;

/// How often the contents of an object have changed other than by stores to its pages. Whoever reads a
/// page for it takes the version before, so that what was read before a change does not come in after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

/// Makes pages that an object does not have.
pub trait Pager<M: Machine> {
    /// Why a page cannot be had.
    type Error: From<Error>;

    /// A frame with the contents of a page, and the version of `object` from before they were read and
    /// after whatever they show was done. No lock of the object is held; it may have changed, and got the
    /// page from somebody else, when this returns.
    ///
    /// # Errors
    ///
    /// Whatever keeps the page from being read.
    fn page_in(&self, object: &Object<M>, index: u64) -> Result<(Frame<M>, Version), Self::Error>;
}

/// The pager of anonymous memory.
pub struct Zeroes;

impl<M: Machine> Pager<M> for Zeroes {
    type Error = Error;

    fn page_in(&self, object: &Object<M>, _: u64) -> Result<(Frame<M>, Version), Error> {
        let frame = Frame::zeroed(&object.machine).ok_or(Error::NoMemory)?;
        Ok((frame, object.version()))
    }
}

/// A page of an object.
pub struct Page<M: Machine> {
    /// Its frame, which stays as long as this lives.
    pub frame: Frame<M>,
    /// The object's [`size`](Object::size) when it had the page.
    pub size: u64,
}

/// A place where an object is mapped: in the space with this page table, the entry for page `n` can only
/// be at `delta + n * PAGE`. Whether it is the object's is to be seen by its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The root of the page table.
    pub table: Pfn,
    /// Address less offset, modulo 2^64.
    pub delta: u64,
}

/// What the lock guards.
struct State {
    pages: Pages,
    /// One for each window.
    mapped: KVec<Mapped>,
}

/// A memory object.
pub struct Object<M: Machine> {
    machine: M,
    /// Bytes of the file; changes under the lock. Anonymous memory has no end.
    size: AtomicU64,
    /// Changes under the lock.
    version: AtomicU64,
    /// Pages that it has.
    resident: AtomicUsize,
    /// Pages that the machine has promised, with the tables above them.
    promised: AtomicU64,
    state: Mutex<M::ObjectLock, State>,
}

impl<M: Machine> Object<M> {
    /// The machine that its frames are of.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn new(machine: M, size: u64, pages: u64) -> Object<M> {
        Object {
            machine,
            size: AtomicU64::new(size),
            version: AtomicU64::new(0),
            resident: AtomicUsize::new(0),
            promised: AtomicU64::new(0),
            state: Mutex::new(State {
                pages: Pages::new(pages),
                mapped: KVec::new(),
            }),
        }
    }

    /// A file of `size` bytes, of which nothing was read yet.
    pub fn file(machine: M, size: u64) -> Object<M> {
        Object::new(machine, size, 0)
    }

    /// Anonymous memory of `len` bytes. It has no frame yet, and grows as far as it is
    /// [promised](Self::promise).
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] where the machine does not promise as much.
    pub fn anonymous(machine: M, len: u64) -> Result<Object<M>, Error> {
        let pages = len.div_ceil(PAGE);
        let object = Object::new(machine, u64::MAX, pages);
        object.promise(pages)?;
        Ok(object)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The version at this moment.
    pub fn version(&self) -> Version {
        Version(self.version.load(Ordering::Acquire))
    }

    /// Pages that it has at this moment.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Frames that an object with so many pages takes at most: pages, and tables that list them.
    pub fn frames_for(pages: u64) -> u64 {
        frames_for(pages)
    }

    /// The page, if the object has it.
    #[inline]
    pub fn find(&self, index: u64) -> Option<Page<M>> {
        self.find_in(&self.state.lock(), index)
    }

    #[inline]
    fn find_in(&self, state: &State, index: u64) -> Option<Page<M>> {
        let pfn = state.pages.get(&self.machine, index)?;
        self.machine.retain(pfn);
        Some(Page {
            frame: Frame::adopt(&self.machine, pfn),
            size: self.size(),
        })
    }

    /// The page, made by `pager` if the object does not have it; `None` behind the end of the file.
    ///
    /// # Errors
    ///
    /// What the pager says, or [`Error::NoMemory`] where the object cannot list the page.
    #[inline]
    pub fn page<P: Pager<M>>(&self, index: u64, pager: &P) -> Result<Option<Page<M>>, P::Error> {
        match self.find(index) {
            Some(page) => Ok(Some(page)),
            None => self.page_in(index, pager),
        }
    }

    #[cold]
    fn page_in<P: Pager<M>>(&self, index: u64, pager: &P) -> Result<Option<Page<M>>, P::Error> {
        while index < self.size().div_ceil(PAGE) {
            let (frame, version) = pager.page_in(self, index)?;
            if let Some(page) = self.insert(index, frame, version)? {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// Adds a page, unless somebody else has: then theirs is the page. `None` when the object has changed
    /// since `version`.
    fn insert(
        &self,
        index: u64,
        frame: Frame<M>,
        version: Version,
    ) -> Result<Option<Page<M>>, Error> {
        let mut room = Room::none(&self.machine);
        loop {
            let mut state = self.state.lock();
            if self.version() != version {
                return Ok(None);
            }
            let found = self.find_in(&state, index);
            if found.is_some() {
                return Ok(found);
            }
            let needs = state.pages.needs(&self.machine, index);
            if state.pages.accept(&mut room, needs) {
                self.machine.retain(frame.pfn());
                let size = self.size();
                state
                    .pages
                    .insert(&self.machine, index, frame.pfn(), &mut room);
                self.resident.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(Page { frame, size }));
            }
            drop(state);
            room = Room::try_new(&self.machine, needs)?;
        }
    }

    /// The file was written at `range`, an offset in bytes: `store` puts the new bytes into each page that
    /// the object alone has, given the frame, the bytes in it, and where they begin in `range`. A page
    /// that somebody else uses goes out of the object; they keep what they have, and the next one reads
    /// it anew. The file is at least as long as the end of the range then.
    pub fn write(&self, range: Range<u64>, mut store: impl FnMut(Pfn, Range<usize>, usize)) {
        let mut state = self.state.lock();
        let mut at = range.start;
        while at < range.end {
            let index = at / PAGE;
            let end = ((index + 1) * PAGE).min(range.end);
            match state.pages.get(&self.machine, index) {
                None => {}
                Some(pfn) if self.machine.is_unique(pfn) => {
                    let start = (at % PAGE) as usize;
                    let inside = start..start + (end - at) as usize;
                    store(pfn, inside, (at - range.start) as usize);
                }
                Some(pfn) => {
                    state.pages.remove(&self.machine, index);
                    self.resident.fetch_sub(1, Ordering::Relaxed);
                    self.machine.release(pfn);
                }
            }
            at = end;
        }
        self.size.fetch_max(range.end, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The file was cut to `size` bytes. Pages that are not whole any more go out of the object.
    pub fn truncate(&self, size: u64) {
        let mut state = self.state.lock();
        self.size.store(size, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
        self.take_out(&mut state, size / PAGE, |_| true);
        state.pages.shrink();
    }

    /// Drops pages that nobody else uses, `wanted` at the most, and tells how many it were. With `listed`
    /// it keeps what it takes to list them again. Does nothing where the object is locked, for it is
    /// called from within allocations.
    pub fn shrink(&self, wanted: usize, listed: bool) -> usize {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let mut left = wanted;
        let count = self.take_out(&mut state, 0, |pfn| {
            let goes = left > 0 && self.machine.is_unique(pfn);
            left -= usize::from(goes);
            goes
        });
        if !listed {
            state.pages.shrink();
        }
        count
    }

    /// Pages that [`shrink`](Self::shrink) would drop now.
    pub fn reclaimable(&self) -> usize {
        let Some(state) = self.state.try_lock() else {
            return 0;
        };
        let mut count = 0;
        state.pages.for_each(&self.machine, |pfn| {
            count += usize::from(self.machine.is_unique(pfn));
        });
        count
    }

    /// Takes the pages from `from` on out that `goes` names; how many.
    fn take_out(&self, state: &mut State, from: u64, goes: impl FnMut(Pfn) -> bool) -> usize {
        let count = state.pages.take_out(&self.machine, from, goes);
        self.resident.fetch_sub(count, Ordering::Relaxed);
        count
    }

    /// Has the machine promise so many pages from the first on, if it has not yet; how many it had.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] where it does not; nothing is promised in addition then.
    pub(crate) fn promise(&self, pages: u64) -> Result<u64, Error> {
        let old = loop {
            let old = self.promised.load(Ordering::Relaxed);
            if pages <= old {
                return Ok(old);
            }
            let more = frames_for(pages) - frames_for(old);
            if !self.machine.commit(more) {
                return Err(Error::NoMemory);
            }
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let won = self.promised.compare_exchange(old, pages, success, failure);
            if won.is_ok() {
                break old;
            }
            self.machine.uncommit(more);
        };
        // What is not a frame is not promised, so it has to be there.
        self.reserve_links(pages)
            .inspect_err(|_| self.unpromise(pages, old))?;
        Ok(old)
    }

    /// Takes a promise of so many pages back for the one before, unless somebody has had it made
    /// larger since.
    pub(crate) fn unpromise(&self, pages: u64, old: u64) {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let back = || {
            self.promised
                .compare_exchange(pages, old, success, failure)
                .is_ok()
        };
        if old < pages && back() {
            self.machine.uncommit(frames_for(pages) - frames_for(old));
        }
    }

    /// Makes sure that listing one of so many pages takes nothing but frames.
    fn reserve_links(&self, pages: u64) -> Result<(), Error> {
        let needs = self.state.lock().pages.needs_links(pages);
        let mut room = Room::try_new(&self.machine, needs)?;
        self.state.lock().pages.accept(&mut room, needs);
        Ok(())
    }

    /// Lists a window.
    pub(crate) fn link(&self, window: Mapped) -> Result<(), Error> {
        let mut room = KVec::new();
        let mut state = loop {
            let mut state = self.state.lock();
            let count = state.mapped.len();
            if count < state.mapped.capacity() {
                break state;
            }
            if count < room.capacity() {
                move_all(&mut state.mapped, &mut room);
                break state;
            }
            drop(state);
            room = KVec::try_with_capacity((2 * count).max(4))?;
        };
        let added = state.mapped.push_reserved(window);
        debug_assert!(added.is_ok(), "there was room for the window");
        Ok(())
    }

    /// Takes a window off the list.
    pub(crate) fn unlink(&self, window: Mapped) {
        let mut state = self.state.lock();
        let place = state.mapped.iter().rposition(|&other| other == window);
        debug_assert!(place.is_some(), "{window:?} is not on the list");
        if let Some(place) = place {
            state.mapped.swap_remove(place);
        }
        let (count, room) = (state.mapped.len(), state.mapped.capacity());
        if count == 0 || room > 8 && count <= room / 4 {
            state.mapped.shrink();
        }
    }

    /// Tells of every window, in no order. The object is locked meanwhile.
    pub fn for_each_mapped(&self, mut tell: impl FnMut(Mapped)) {
        self.state
            .lock()
            .mapped
            .iter()
            .for_each(|&window| tell(window));
    }
}

/// Moves everything to a larger vector, and the smaller one out, to be dropped without the lock.
fn move_all<T>(vec: &mut KVec<T>, larger: &mut KVec<T>) {
    core::mem::swap(vec, larger);
    while let Some(value) = larger.pop() {
        let moved = vec.push_reserved(value);
        debug_assert!(moved.is_ok(), "the larger vector is not");
    }
}

impl<M: Machine> Drop for Object<M> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        debug_assert!(state.mapped.is_empty(), "a window maps it still");
        state.pages.take_out(&self.machine, 0, |_| true);
        self.machine.uncommit(frames_for(*self.promised.get_mut()));
    }
}
