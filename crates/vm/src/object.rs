//! Memory objects: what can be mapped, with the frames that it has at the moment. An object answers one
//! question: which frame is page `n`?
//!
//! There are two kinds, which differ in who makes a page that is missing (their [`Pager`]): shared
//! anonymous memory gets zeroes, and a file is read. The objects of files are the page cache.
//!
//! The lock of an object guards its pages and the list of windows that map it. Nobody allocates, reads the
//! disk or takes another sleeping lock with it held: what a change needs is made before, and then the
//! object is looked at again.

mod change;
mod mapped;
mod pages;
mod promise;
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
use pages::{Pages, Room, frames_for};
use paging::PAGE;

/// How often a file has changed, by writes and truncations. Who reads a page takes the version first, so
/// that what was read before a change does not come into the object after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

/// Makes pages that an object does not have.
pub trait Pager<M: Machine> {
    /// Why a page cannot be had.
    type Error: From<Error>;

    /// A frame with the contents of a page, and the version that `object` had before they were read. The
    /// object is not locked: it may have changed, or have got the page from somebody else, when this
    /// returns.
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
        object.machine.label(frame.pfn(), Use::Shared);
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

/// A page of an object that is locked: the page cannot go out of it.
pub(crate) struct LockedPage<'a, M: Machine> {
    object: &'a Object<M>,
    _state: MutexGuard<'a, M::ObjectLock, State<M>>,
    pub(crate) pfn: Pfn,
}

impl<M: Machine> LockedPage<'_, M> {
    /// Its frame, and unlocks the object.
    pub(crate) fn into_frame(self) -> Frame<M> {
        self.object.machine.retain(self.pfn);
        Frame::adopt(&self.object.machine, self.pfn)
    }
}

/// What the lock guards.
struct State<M: Machine> {
    pages: Pages,
    /// One for each window, in the order in which they were made.
    mapped: KVec<Mapped<M>>,
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
    state: Mutex<M::ObjectLock, State<M>>,
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

    /// Anonymous memory of `len` bytes. It has no frame yet. It grows with the shared mappings that show
    /// it, which have what they show promised.
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
}

impl<M: Machine> Drop for Object<M> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        debug_assert!(state.mapped.is_empty(), "a window maps it still");
        state.pages.take_out(&self.machine, 0, &mut |_| true);
        self.machine.uncommit(frames_for(*self.promised.get_mut()));
    }
}
