//! `madvise` and `mincore`.

use crate::unmap::pages_or_none;
use crate::{AddressSpace, Error, Files, Region};
use abi::Advice;

impl<M: Files> AddressSpace<M> {
    /// Applies advice to the pages from `start` for `len` bytes, rounded up to pages, of regions of any kind. A
    /// length of 0 means none.
    ///
    /// - [`Advice::DontNeed`] frees the pages. When touched again they show the region's initial contents:
    ///   zeroes, or the file. Shared memory keeps its contents; only this space unmaps it.
    /// - [`Advice::Free`], for private anonymous memory only, allows the same at any time before the next
    ///   write; it is done at once.
    /// - [`Advice::WillNeed`] faults in the pages as [`MapFlags::POPULATE`](abi::MapFlags::POPULATE) does.
    ///   Running out of frames is no error: the rest is faulted in when touched, like pages of files.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page, the range leaves the user half, or the advice is
    /// not for such memory; [`Error::NotMapped`] with a hole in the range. It does not fail for want
    /// of memory.
    pub fn madvise(&mut self, start: u64, len: u64, advice: Advice) -> Result<(), Error> {
        let range = pages_or_none(start, len)?;
        self.check_covered(&range)?;
        if range.is_empty() {
            return Ok(());
        }
        let mut regions = self.regions.within(range.clone());
        match advice {
            Advice::WillNeed => self.populate(range),
            Advice::Free if !regions.all(Region::is_private_anonymous) => {
                return Err(Error::Invalid);
            }
            Advice::DontNeed | Advice::Free => {
                let shared = self.regions.within(range.clone());
                shared.for_each(|region| region.count_unmapped(&self.table, &range));
                self.break_reservations(&range);
                self.table.unshare_ends(&range);
                self.table.clear(range.clone(), &range);
            }
        }
        Ok(())
    }

    /// Calls `tell` for each page from `start` for `len` bytes, rounded up to pages, in order, with whether it
    /// has a frame in this space. A page of which only zeroes were read has none, nor one of shared memory or
    /// of a file before this space touched it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page or the range leaves the user half, [`Error::NotMapped`] with
    /// a hole in the range; `tell` is not called then.
    pub fn mincore(&self, start: u64, len: u64, mut tell: impl FnMut(bool)) -> Result<(), Error> {
        let range = pages_or_none(start, len)?;
        self.check_covered(&range)?;
        for page in range.step_by(abi::PAGE_SIZE) {
            let leaf = self.table.leaf(page);
            tell(leaf.is_some_and(|leaf| leaf.pfn() != self.machine().zero_page()));
        }
        Ok(())
    }
}
