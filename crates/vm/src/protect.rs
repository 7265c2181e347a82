//! `mprotect`.

use crate::region::with_read;
use crate::unmap::pages_or_none;
use crate::{AddressSpace, Error, Files};
use abi::Prot;
use core::ops::Range;

impl<M: Files> AddressSpace<M> {
    /// Gives all pages from `start` for `len` bytes, rounded up to pages, the rights `prot`: those of
    /// mappings, and of the heap, the stack and the program as well (a heap whose rights changed
    /// goes on growing with memory that can be read and written). Rights that go are gone at once;
    /// contents stay, also while no access is allowed. A length of 0 changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page, the range leaves the user half, or `prot` is
    /// unknown; [`Error::NotMapped`] with a hole in the range; [`Error::NoMemory`] where the machine does
    /// not promise memory that becomes writable, without the records that cuts at both ends need, or without
    /// the tables for large pages that are cut.
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
