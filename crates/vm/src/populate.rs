//! Mapping pages before they are touched.

use crate::access::Access;
use crate::fault::{FaultError, map_page};
use crate::machine::Frame;
use crate::region::Source;
use crate::{AddressSpace, Files};
use core::ops::Range;
use paging::{PAGE, SUPERPAGE};

impl<M: Files> AddressSpace<M> {
    /// Faults in every page of `range`, for writing if it is writable, until there is no frame. Skips pages of
    /// files that are not in the page cache, since the space cannot be locked while they are read.
    ///
    /// Maps a large page where an aligned 2 MiB is empty and a block is free.
    pub(crate) fn populate(&mut self, range: Range<u64>) {
        let mut from = range.start;
        while let Some(region) = self.regions.first_in(&(from..range.end)) {
            let part = region.start().max(from)..region.end().min(range.end);
            from = part.end;
            let Some(access) = Access::strongest(region.prot()) else {
                continue;
            };
            let prot = region.prot();
            let large = access == Access::Write && region.is_private_anonymous();
            let mut page = part.start;
            while page < part.end {
                let whole = page.is_multiple_of(SUPERPAGE) && part.end - page >= SUPERPAGE;
                if large && whole && self.table.map_large(page, prot).is_ok() {
                    page += SUPERPAGE;
                    continue;
                }
                if self.needs_fault(page, access)
                    && self.fault(page, access).err() == Some(FaultError::OutOfMemory)
                {
                    return;
                }
                page += PAGE;
            }
        }
    }

    /// Whether the access to the page would fault.
    fn needs_fault(&self, page: u64, access: Access) -> bool {
        match self.table.leaf(page) {
            None => true,
            Some(leaf) => access == Access::Write && leaf.pfn() == self.machine().zero_page(),
        }
    }

    /// Prefault: maps the object pages of a space that has not run yet, as a read or instruction fetch would;
    /// `page` returns a page of a file. It stops at the first page that is not available; the rest is mapped by
    /// faults. Returns whether all are mapped.
    pub fn prefault(&mut self, mut page: impl FnMut(&M::File, u64) -> Option<Frame<M>>) -> bool {
        for region in self.regions.within(0..abi::MAXVA) {
            let access = [Access::Read, Access::Execute];
            let Some(access) = access.into_iter().find(|&access| region.allows(access)) else {
                continue;
            };
            for addr in region.range().step_by(abi::PAGE_SIZE) {
                let Source::Object { window, valid } = region.source(addr) else {
                    break;
                };
                let read = |file| page(file, window.offset(addr) / PAGE);
                let held = window.file().map(read);
                let pte = self.table.prealloc_tables(self.table.look_up(addr));
                let (false, Ok(pte)) = (matches!(held, Some(None)), pte) else {
                    return false;
                };
                let Ok(Some(found)) = window.lock_page(addr) else {
                    return false;
                };
                if map_page(&self.table, region, (access, valid), found, pte).is_err() {
                    return false;
                }
            }
        }
        true
    }
}
