//! Unmapping.

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
    /// Unmaps all mappings, or parts of mappings, from `start` for `len` bytes, rounded up to pages. There may
    /// be holes between them. Pages and empty tables are freed at once.
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

    /// Unmaps `range`. Without the record for a split region, nothing is done.
    pub(crate) fn unmap_pages(&mut self, range: Range<u64>) -> Result<(), Error> {
        self.cut_around(&range)?;
        self.unmap_range(range);
        self.uncommit_surplus();
        // If this fails, it is tried again next time.
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

    /// Splits a region that exceeds `range` at both ends: the only step of unmapping that can fail.
    pub(crate) fn cut_around(&mut self, range: &Range<u64>) -> Result<(), Error> {
        let around = |r: &Region<M>| r.start() < range.start && range.end < r.end();
        if !range.is_empty() && self.regions.find(range.start).is_some_and(around) {
            self.regions.cut_with_spare(range.end)?;
        }
        Ok(())
    }

    /// Unmaps `range`, whose ends are page-aligned; no region exceeds it at both ends.
    pub(crate) fn unmap_range(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.table.unshare_ends(&range);
        // The records last: an object lists a window as long as there may be an entry.
        self.zap_range(range.clone());
        self.remove_regions(&range);
    }

    /// Removes, or trims, the region records of a range.
    pub(crate) fn remove_regions(&mut self, range: &Range<u64>) {
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

    /// Unmaps the pages and frees the tables of a range that will have no region.
    pub(crate) fn zap_range(&mut self, range: Range<u64>) {
        self.break_reservations(&range);
        let free = self.regions.free_around(&range);
        self.table.clear(range, &free);
    }
}
