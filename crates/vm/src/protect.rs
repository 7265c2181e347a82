//! `mprotect`.

use crate::region::with_read;
use crate::unmap::pages_or_none;
use crate::{AddressSpace, Error, Files};
use abi::Prot;
use core::ops::Range;

impl<M: Files> AddressSpace<M> {
    /// Sets the protection of all pages from `start` for `len` bytes, rounded up to pages: of mappings, and of
    /// the heap, the stack and the program too (a heap whose protection changed continues to grow with readable
    /// and writable memory). Removed permissions take effect at once; contents stay, even while no access is
    /// allowed. A length of 0 changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page, the range leaves the user half, or `prot` is unknown;
    /// [`Error::NotMapped`] with a hole in the range; [`Error::NoMemory`] when memory that becomes writable is
    /// beyond the commit limit, without the records to split regions at both ends, or without the tables to
    /// split large pages.
    pub fn mprotect(&mut self, start: u64, len: u64, prot: Prot) -> Result<(), Error> {
        if !Prot::all().contains(prot) {
            return Err(Error::Invalid);
        }
        let prot = with_read(prot);
        let range = pages_or_none(start, len)?;
        self.check_covered(&range)?;
        if self.regions.within(range.clone()).all(|r| r.prot() == prot) {
            return Ok(());
        }
        let more = match prot.is_empty() {
            true => 0,
            false => self.cost_of_change(&range, |region| region.account_with(prot)),
        };
        self.committing(more, |space| space.protect_within(range, prot))
    }

    fn protect_within(&mut self, range: Range<u64>, prot: Prot) -> Result<(), Error> {
        let prealloc = self.table.reserve(&range)?;
        self.cut_ends(&range)?;
        self.table.unshare(&range, prealloc);
        let mut at = range.start;
        while let Some(region) = self.regions.first_in(&(at..range.end)) {
            let first = region.start();
            at = region.end();
            self.regions.change(first, |region| region.set_prot(prot));
        }
        self.regions.join_all(range.clone());
        self.table.protect(range, prot);
        Ok(())
    }

    /// Splits the regions at both ends of `range`, or neither.
    fn cut_ends(&mut self, range: &Range<u64>) -> Result<(), Error> {
        let cut = self.regions.cut(range.start)?;
        if let Err(error) = self.regions.cut(range.end) {
            if cut {
                self.regions.join(range.start);
            }
            return Err(error.into());
        }
        Ok(())
    }
}
