//! Windows: what a region shows of a memory object.

use crate::machine::Machine;
use crate::object::{LockedPage, Mapped, Object, Zeroes};
use crate::{Error, PageTable};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::KArc;
use paging::PAGE;

/// A machine with files that can be mapped.
pub trait Files: Machine {
    /// A file in use, which leads to its object: what a window keeps, and what a fault asks for a page of.
    type File: Clone + AsRef<Object<Self>>;
}

/// What can be mapped.
pub enum Mappable<M: Files> {
    /// A file's object. The file is asked for pages that it does not have, and is in use while it is mapped.
    File(M::File),
    /// Anonymous memory.
    Anonymous(KArc<Object<M>>),
}

impl<M: Files> Mappable<M> {
    fn object(&self) -> &Object<M> {
        match self {
            Mappable::File(file) => file.as_ref(),
            Mappable::Anonymous(object) => object,
        }
    }
}

impl<M: Files> Clone for Mappable<M> {
    fn clone(&self) -> Mappable<M> {
        match self {
            Mappable::File(file) => Mappable::File(file.clone()),
            Mappable::Anonymous(object) => Mappable::Anonymous(object.clone()),
        }
    }
}

/// A part of an object, as a private mapping shows it.
pub struct Part<M: Files> {
    /// Whose part.
    pub of: Mappable<M>,
    /// Where in the object it begins.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

impl<M: Files> Part<M> {
    /// Offsets are less than 2^63, so that what a window's addresses and offsets differ by has a sign.
    pub(crate) fn end(&self) -> Option<u64> {
        let end = self.offset.checked_add(self.len)?;
        (end <= i64::MAX as u64).then_some(end)
    }
}

/// A part of an object, at the place in a space where regions show it. Its offset in the object follows from
/// the address; so regions that are cut, trimmed, stretched or joined go on to share it. Its object lists
/// it for as long as it lives.
pub(crate) struct Window<M: Files> {
    of: Mappable<M>,
    mapped: Mapped<M>,
    /// Offset in the object from which on the window shows zeroes.
    end: u64,
    /// Whether stores go to the object. Otherwise a page is copied before it is written.
    shared: bool,
    /// Pages that the space has unmapped here and keeps. The owner of the space alone changes it.
    kept: AtomicUsize,
}

impl<M: Files> Window<M> {
    /// A private window whose part of the object begins at `addr` of the space with this page table.
    pub(crate) fn private(
        part: Part<M>,
        addr: u64,
        table: &KArc<PageTable<M>>,
    ) -> Result<KArc<Window<M>>, Error> {
        let end = part.end().ok_or(Error::Invalid)?;
        let delta = addr.wrapping_sub(part.offset);
        let table = table.clone();
        Window::try_new(part.of, Mapped { table, delta }, end, false)
    }

    /// A shared window on anonymous memory, which begins at `addr` of the space with this page table.
    pub(crate) fn shared(
        object: KArc<Object<M>>,
        addr: u64,
        table: &KArc<PageTable<M>>,
    ) -> Result<KArc<Window<M>>, Error> {
        let mapped = Mapped {
            table: table.clone(),
            delta: addr,
        };
        Window::try_new(Mappable::Anonymous(object), mapped, u64::MAX, true)
    }

    fn try_new(
        of: Mappable<M>,
        mapped: Mapped<M>,
        end: u64,
        shared: bool,
    ) -> Result<KArc<Window<M>>, Error> {
        of.object().link(&mapped)?;
        // A window that is dropped is taken off the list.
        Ok(KArc::try_new(Window {
            of,
            mapped,
            end,
            shared,
            kept: AtomicUsize::new(0),
        })?)
    }

    /// The same part of the object at the same address of another space.
    pub(crate) fn forked(&self, table: &KArc<PageTable<M>>) -> Result<KArc<Window<M>>, Error> {
        self.copy(table, self.mapped.delta)
    }

    /// What this shows at `from`, at `to` of the same space.
    pub(crate) fn moved(&self, from: u64, to: u64) -> Result<KArc<Window<M>>, Error> {
        let delta = self.mapped.delta.wrapping_add(to).wrapping_sub(from);
        self.copy(&self.mapped.table, delta)
    }

    fn copy(&self, table: &KArc<PageTable<M>>, delta: u64) -> Result<KArc<Window<M>>, Error> {
        let table = table.clone();
        Window::try_new(
            self.of.clone(),
            Mapped { table, delta },
            self.end,
            self.shared,
        )
    }

    pub(crate) fn object(&self) -> &Object<M> {
        self.of.object()
    }

    pub(crate) fn mapped(&self) -> &Mapped<M> {
        &self.mapped
    }

    pub(crate) fn file(&self) -> Option<&M::File> {
        match &self.of {
            Mappable::File(file) => Some(file),
            Mappable::Anonymous(_) => None,
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The offset in the object that an address has.
    pub(crate) fn offset(&self, addr: u64) -> u64 {
        addr.wrapping_sub(self.mapped.delta)
    }

    /// Bytes of the object that the window shows from an address on.
    pub(crate) fn len_from(&self, addr: u64) -> u64 {
        self.end.saturating_sub(self.offset(addr))
    }

    /// Whether both show the same in any region.
    pub(crate) fn is_like(&self, other: &Window<M>) -> bool {
        core::ptr::eq(self.object(), other.object())
            && self.mapped == other.mapped
            && (self.end, self.shared) == (other.end, other.shared)
    }

    /// The space unmaps so many pages and keeps the window. Of shared memory they stay, and count for who
    /// maps it.
    pub(crate) fn keep(&self, pages: usize) {
        let old = self.kept.load(Ordering::Relaxed);
        let more = pages.min(self.object().resident().saturating_sub(old));
        self.kept.store(old + more, Ordering::Relaxed);
        self.mapped.table.add_kept(more);
    }

    /// The object's page for an address, if the disk is not to be waited for, with the object locked.
    #[inline]
    pub(crate) fn lock_page(&self, addr: u64) -> Result<Option<LockedPage<'_, M>>, Error> {
        let index = self.offset(addr) / PAGE;
        loop {
            let found = self.object().lock_page(index);
            match &self.of {
                Mappable::Anonymous(object) if found.is_none() => {
                    if object.page(index, &Zeroes)?.is_none() {
                        return Ok(None);
                    }
                }
                _ => return Ok(found),
            }
        }
    }
}

impl<M: Files> Drop for Window<M> {
    fn drop(&mut self) {
        self.mapped.table.sub_kept(*self.kept.get_mut());
        self.object().unlink(&self.mapped);
    }
}
