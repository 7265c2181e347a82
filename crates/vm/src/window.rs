//! Windows: what a region shows of a memory object.

use crate::machine::Machine;
use crate::object::{LockedPage, Mapped, Object, Zeroes};
use crate::{Error, PageTable};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::KArc;
use paging::PAGE;

/// A machine with files that can be mapped.
pub trait Files: Machine {
    /// A reference to a file, which leads to its object; held by windows, and returned by a fault that needs a
    /// page.
    type File: Clone + AsRef<Object<Self>>;
}

/// What can be mapped.
pub enum Mappable<M: Files> {
    /// A file's object. The file reads missing pages, and is in use while it is mapped.
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

/// A range of an object, for a private mapping.
pub struct ObjectRange<M: Files> {
    /// The object.
    pub of: Mappable<M>,
    /// Offset of the first byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

impl<M: Files> ObjectRange<M> {
    /// The end offset; less than 2^63, so that the difference of address and offset has a sign.
    pub(crate) fn end(&self) -> Option<u64> {
        let end = self.offset.checked_add(self.len)?;
        (end <= i64::MAX as u64).then_some(end)
    }
}

/// A range of an object, mapped at a fixed distance from its offset: regions that are split, trimmed, extended
/// or merged keep sharing it. The object lists it while it lives.
pub(crate) struct Window<M: Files> {
    of: Mappable<M>,
    mapped: Mapped<M>,
    /// Offset in the object from which on the window shows zeroes.
    end: u64,
    /// Whether stores go to the object. Otherwise a page is copied before it is written.
    shared: bool,
    /// Pages of a shared object that the space has unmapped while the window stayed. Only the owner of the
    /// space changes it.
    unmapped: AtomicUsize,
}

impl<M: Files> Window<M> {
    /// A private window whose part of the object begins at `addr` of the space with this page table.
    pub(crate) fn private(
        part: ObjectRange<M>,
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
        // Dropping the window unlinks it.
        Ok(KArc::try_new(Window {
            of,
            mapped,
            end,
            shared,
            unmapped: AtomicUsize::new(0),
        })?)
    }

    /// The same range of the object at the same address of another space.
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

    /// The offset in the object for an address.
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

    /// Counts pages that the space unmaps while the window stays: a shared object keeps them, and they are
    /// charged to those who map it.
    pub(crate) fn add_unmapped(&self, pages: usize) {
        let old = self.unmapped.load(Ordering::Relaxed);
        let more = pages.min(self.object().resident().saturating_sub(old));
        self.unmapped.store(old + more, Ordering::Relaxed);
        self.mapped.table.add_shared_unmapped(more);
    }

    /// The object's page for an address, with the object locked; none if it has to be read from disk.
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
        self.mapped
            .table
            .sub_shared_unmapped(*self.unmapped.get_mut());
        self.object().unlink(&self.mapped);
    }
}
