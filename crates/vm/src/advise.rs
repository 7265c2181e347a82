//! `madvise` and `mincore`.

use crate::unmap::pages_or_none;
use crate::{AddressSpace, Error, Files, Region};
use abi::Advice;

impl<M: Files> AddressSpace<M> {
    /// Follows advice about the pages from `start` for `len` bytes, rounded up to pages, of whatever
    /// regions. A length of 0 concerns none.
    ///
    /// - [`Advice::DontNeed`] gives the pages back. When touched again they show what the region
    ///   showed first: zeroes, or the file. Shared memory keeps its contents; only this space lets
    ///   go of it.
    /// - [`Advice::Free`], for private memory of zeroes only, allows to do the same at any time
    ///   before the next write; it is done at once.
    /// - [`Advice::WillNeed`] fills the pages as [`MapFlags::POPULATE`](abi::MapFlags::POPULATE)
    ///   does. It is no error when frames end: what was not filled is filled when touched. Pages of
    ///   files come when touched, too.
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

    /// Tells of each page from `start` for `len` bytes, rounded up to pages and in order, whether it
    /// has a frame in this space. A page of which only zeroes were read has none, nor has one of
    /// shared memory or of a file before this space touched it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page or the range leaves the user half,
    /// [`Error::NotMapped`] with a hole in the range; nothing is told then.
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
