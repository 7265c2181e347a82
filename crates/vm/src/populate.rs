//! Filling pages before they are touched.

use crate::access::Access;
use crate::fault::{FaultError, put_page};
use crate::machine::Frame;
use crate::region::Source;
use crate::{AddressSpace, Files};
use core::ops::Range;
use paging::{PAGE, SUPERPAGE};

impl<M: Files> AddressSpace<M> {
    /// Gives every page of `range` what its first access would give it, a write where it can be
    /// written, until there is no frame any more. Pages of files that are not in memory are left out: the
    /// space cannot be locked while they are read.
    ///
    /// Where all of an aligned 2 MiB is asked for and nothing is there, it becomes one large page if a
    /// block is free: that takes no memory that the caller did not ask to have.
    pub(crate) fn populate(&mut self, range: Range<u64>) {
        let mut from = range.start;
        while let Some(region) = self.regions.first_in(&(from..range.end)) {
            let part = region.start().max(from)..region.end().min(range.end);
            from = part.end;
            let Some(access) = Access::of_most_use(region.prot()) else {
                continue;
            };
            let prot = region.prot();
            let large = access == Access::Write && region.is_private_anonymous();
            let mut page = part.start;
            while page < part.end {
                let whole = page.is_multiple_of(SUPERPAGE) && part.end - page >= SUPERPAGE;
                if large && whole && self.table.put_large(page, prot).is_ok() {
                    page += SUPERPAGE;
                    continue;
                }
                if self.is_wanting(page, access)
                    && self.fault(page, access).err() == Some(FaultError::OutOfMemory)
                {
                    return;
                }
                page += PAGE;
            }
        }
    }

    /// Whether the page has no frame yet that is good for the access.
    fn is_wanting(&self, page: u64, access: Access) -> bool {
        match self.table.leaf(page) {
            None => true,
            Some(leaf) => access == Access::Write && leaf.pfn() == self.machine().zero_page(),
        }
    }

    /// Maps, of a space that has not run yet, the pages of objects that its regions show, as a read or
    /// the fetch of an instruction would; `page` gives one of a file. It ends with the first page that
    /// cannot be had: the rest comes when it is touched. Tells whether all are mapped.
    pub fn map_ahead(&mut self, mut page: impl FnMut(&M::File, u64) -> Option<Frame<M>>) -> bool {
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
                let room = self.table.reserve_room(self.table.look_up(addr));
                let (false, Ok(room)) = (matches!(held, Some(None)), room) else {
                    return false;
                };
                let Ok(Some(found)) = window.lock_page(addr) else {
                    return false;
                };
                if put_page(&self.table, region, (access, valid), found, room).is_err() {
                    return false;
                }
            }
        }
        true
    }
}
