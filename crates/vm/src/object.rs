//! Memory objects: what can be mapped, with its resident frames. An object answers one question: which frame is
//! page `n`?
//!
//! There are two kinds, which differ in their [`Pager`], who provides a missing page: shared anonymous memory
//! zeroes one, a file reads it. The objects of files are the page cache.
//!
//! A lock guards the pages and the list of windows. Nobody allocates, reads the disk or takes another sleeping
//! lock with it held: allocations come first, then the object is checked again.

mod change;
mod commit;
mod mapped;
mod pages;
mod rmap;

use crate::Error;
use crate::machine::{Frame, Machine};
pub use crate::table::Mappings;
use abi::Use;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use fallible::KVec;
use frames::Pfn;
use lock_api::{Mutex, MutexGuard};
pub use mapped::Mapped;
use pages::{Pages, Preload, frames_for};
use paging::PAGE;

/// The number of writes and truncations of a file. A reader of a page takes the version first, so that stale
/// contents are not inserted into the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

/// Provides pages that an object does not have.
pub trait Pager<M: Machine> {
    /// Why a page is not available.
    type Error: From<Error>;

    /// A frame with the contents of a page, and the version of `object` before they were read. The object is
    /// not locked: meanwhile it may change, or get the page from another caller.
    ///
    /// # Errors
    ///
    /// Whatever prevents reading the page.
    fn page_in(&self, object: &Object<M>, index: u64) -> Result<(Frame<M>, Version), Self::Error>;
}

/// The pager of anonymous memory.
pub struct Zeroes;

impl<M: Machine> Pager<M> for Zeroes {
    type Error = Error;

    fn page_in(&self, object: &Object<M>, _: u64) -> Result<(Frame<M>, Version), Error> {
        let frame = Frame::zeroed(&object.machine).ok_or(Error::NoMemory)?;
        object.machine.label(frame.pfn(), Use::Shared);
        Ok((frame, object.version()))
    }
}

/// A page of an object.
pub struct Page<M: Machine> {
    /// Its frame, with a reference.
    pub frame: Frame<M>,
    /// The object's [`size`](Object::size) at the lookup.
    pub size: u64,
}

/// A page of a locked object, which cannot be removed.
pub(crate) struct LockedPage<'a, M: Machine> {
    object: &'a Object<M>,
    _state: MutexGuard<'a, M::ObjectLock, State<M>>,
    pub(crate) pfn: Pfn,
}

impl<M: Machine> LockedPage<'_, M> {
    /// Takes a reference to the frame, and unlocks the object.
    pub(crate) fn into_frame(self) -> Frame<M> {
        self.object.machine.retain(self.pfn);
        Frame::adopt(&self.object.machine, self.pfn)
    }
}

/// What the lock guards.
struct State<M: Machine> {
    pages: Pages,
    /// The windows, in order of creation.
    mapped: KVec<Mapped<M>>,
}

/// A memory object.
pub struct Object<M: Machine> {
    machine: M,
    /// Bytes of the file; changes under the lock. Anonymous memory has no end.
    size: AtomicU64,
    /// Changes under the lock.
    version: AtomicU64,
    /// Resident pages.
    resident: AtomicUsize,
    /// Committed pages; the frames of the tables above them are committed too.
    committed: AtomicU64,
    state: Mutex<M::ObjectLock, State<M>>,
}

impl<M: Machine> Object<M> {
    /// The machine of its frames.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn new(machine: M, size: u64, pages: u64) -> Object<M> {
        Object {
            machine,
            size: AtomicU64::new(size),
            version: AtomicU64::new(0),
            resident: AtomicUsize::new(0),
            committed: AtomicU64::new(0),
            state: Mutex::new(State {
                pages: Pages::new(pages),
                mapped: KVec::new(),
            }),
        }
    }

    /// A file of `size` bytes, with no page read.
    pub fn file(machine: M, size: u64) -> Object<M> {
        Object::new(machine, size, 0)
    }

    /// Anonymous memory of `len` bytes, with no frame. It grows with its shared mappings, which commit what
    /// they show.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] beyond the commit limit.
    pub fn anonymous(machine: M, len: u64) -> Result<Object<M>, Error> {
        let pages = len.div_ceil(PAGE);
        let object = Object::new(machine, u64::MAX, pages);
        object.commit(pages)?;
        Ok(object)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The current version.
    pub fn version(&self) -> Version {
        Version(self.version.load(Ordering::Acquire))
    }

    /// Resident pages.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Frames for so many pages at most: pages, and tables that list them.
    pub fn frames_for(pages: u64) -> u64 {
        frames_for(pages)
    }

    /// The page, if the object has it.
    #[inline]
    pub fn find(&self, index: u64) -> Option<Page<M>> {
        self.find_in(&self.state.lock(), index)
    }

    #[inline]
    fn find_in(&self, state: &State<M>, index: u64) -> Option<Page<M>> {
        let pfn = state.pages.get(&self.machine, index)?;
        self.machine.retain(pfn);
        Some(Page {
            frame: Frame::adopt(&self.machine, pfn),
            size: self.size(),
        })
    }

    /// The page, if the object has it, with the object locked.
    #[inline]
    pub(crate) fn lock_page(&self, index: u64) -> Option<LockedPage<'_, M>> {
        let state = self.state.lock();
        let pfn = state.pages.get(&self.machine, index)?;
        Some(LockedPage {
            object: self,
            _state: state,
            pfn,
        })
    }

    /// The page, provided by `pager` if missing; `None` behind the end of the file.
    ///
    /// # Errors
    ///
    /// The pager's error, or [`Error::NoMemory`] without memory to list the page.
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

    /// Adds a page, unless another caller has: then theirs is returned. `None` if the object has changed since
    /// `version`.
    fn insert(
        &self,
        index: u64,
        frame: Frame<M>,
        version: Version,
    ) -> Result<Option<Page<M>>, Error> {
        let mut preload = Preload::none(&self.machine);
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
            if state.pages.accept(&mut preload, needs) {
                self.machine.retain(frame.pfn());
                let size = self.size();
                state
                    .pages
                    .insert(&self.machine, index, frame.pfn(), &mut preload);
                self.resident.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(Page { frame, size }));
            }
            drop(state);
            preload = Preload::try_new(&self.machine, needs)?;
        }
    }
}

impl<M: Machine> Drop for Object<M> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        debug_assert!(state.mapped.is_empty(), "a window maps it still");
        state.pages.remove_pages(&self.machine, 0, &mut |_| true);
        self.machine.uncommit(frames_for(*self.committed.get_mut()));
    }
}
