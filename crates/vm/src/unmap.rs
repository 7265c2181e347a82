//! Taking mappings away.

use crate::{AddressSpace, Error, Files, Region, RegionKind};
use core::ops::Range;
use paging::{PAGE, page_up};

/// The pages of a range of `len` bytes from `start`; an error where `start` is no page, the length
/// is 0, or the range leaves the user half.
pub(crate) fn pages(start: u64, len: u64) -> Result<Range<u64>, Error> {
    let len = page_up(len).filter(|&len| len > 0).ok_or(Error::Invalid)?;
    let end = start.checked_add(len).ok_or(Error::Invalid)?;
    if !start.is_multiple_of(PAGE) || end > abi::USER_TOP {
        return Err(Error::Invalid);
    }
    Ok(start..end)
}

/// As [`pages`], with no page at all for a length of 0.
pub(crate) fn pages_or_none(start: u64, len: u64) -> Result<Range<u64>, Error> {
    if len == 0 && start.is_multiple_of(PAGE) {
        return Ok(start..start);
    }
    pages(start, len)
}

impl<M: Files> AddressSpace<M> {
    /// Takes away all mappings, or parts of mappings, from `start` for `len` bytes, rounded up to
    /// pages. There may be holes between them. Pages and empty tables go back at once.
    ///
    /// # Errors
    ///
    /// [`Error::NotMapped`] with nothing mapped in the range; [`Error::Invalid`] when `start` is no
    /// page, the range is empty or leaves the user half, or heap, stack or program lie in it;
    /// [`Error::NoMemory`] without the record that a cut through the middle of a region needs: for the
    /// first one there is a spare, which comes back when there is memory, or a region goes.
    pub fn munmap(&mut self, start: u64, len: u64) -> Result<(), Error> {
        let range = pages(start, len)?;
        if self.regions.first_in(&range).is_none() {
            return Err(Error::NotMapped);
        }
        self.check_mappings(&range)?;
        self.unmap_pages(range)
    }

    /// Takes mappings in `range` away. Without the record for a cut, nothing is done.
    pub(crate) fn unmap_pages(&mut self, range: Range<u64>) -> Result<(), Error> {
        self.cut_around(&range)?;
        self.take_out(range);
        self.settle();
        // Without memory, the next time.
        let _ = self.regions.refill();
        Ok(())
    }

    /// Refuses a range with regions that did not come from `mmap`.
    pub(crate) fn check_mappings(&self, range: &Range<u64>) -> Result<(), Error> {
        let mut regions = self.regions.within(range.clone());
        if regions.any(|region| region.kind() != RegionKind::Mapping) {
            return Err(Error::Invalid);
        }
        Ok(())
    }

    /// Refuses a range with a page that is in no region.
    pub(crate) fn check_covered(&self, range: &Range<u64>) -> Result<(), Error> {
        let mut at = range.start;
        for region in self.regions.within(range.clone()) {
            if region.start() > at {
                break;
            }
            at = region.end();
        }
        if at < range.end {
            return Err(Error::NotMapped);
        }
        Ok(())
    }

    /// Makes sure that no region sticks out of both ends of `range`. This is all that can fail in taking a
    /// range out.
    pub(crate) fn cut_around(&mut self, range: &Range<u64>) -> Result<(), Error> {
        let around = |r: &Region<M>| r.start() < range.start && range.end < r.end();
        if !range.is_empty() && self.regions.find(range.start).is_some_and(around) {
            self.regions.cut_with_spare(range.end)?;
        }
        Ok(())
    }

    /// Takes out everything in `range`, whose ends are pages and which no region sticks out of at
    /// both ends.
    pub(crate) fn take_out(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.table.own_ends(&range);
        // The records last: objects list their windows as long as there is an entry.
        self.clear_free(range.clone());
        self.take_records_out(&range);
    }

    /// Takes the records of a range out, as [`take_out`](Self::take_out) does.
    pub(crate) fn take_records_out(&mut self, range: &Range<u64>) {
        while let Some(region) = self.regions.first_in(range) {
            let (start, end) = (region.start(), region.end());
            if start < range.start {
                self.regions
                    .change(start, |region| region.set_end(range.start));
            } else if end > range.end {
                self.regions
                    .change(start, |region| region.trim_front(range.end));
            } else {
                self.regions.remove(start);
            }
        }
    }

    /// Takes the pages and tables of a range out that no region will have any more.
    pub(crate) fn clear_free(&mut self, range: Range<u64>) {
        self.close_reservations(&range);
        let free = self.regions.free_around(&range);
        self.table.clear(range, &free);
    }
}
