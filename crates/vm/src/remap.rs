//! Changing the size of mappings.

use crate::tree::Node;
use crate::unmap::pages;
use crate::{AddressSpace, Error, Files, Region};
use core::ops::Range;

impl<M: Files> AddressSpace<M> {
    /// Makes the mapping from `start` for `old_len` bytes `new_len` bytes long, both rounded up to
    /// pages, and returns where it is then. It shrinks where it is; grows where it is when the
    /// addresses behind it are free; and moves to the lowest place that is free if it `may_move`.
    /// Contents stay, with no page copied; what is new is zero. `start` may be in the middle of what
    /// one call of `mmap` made.
    ///
    /// Shared memory grows for all who share it: a page that one of them has added is there for each
    /// other that grows as far.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` is no page, a length is 0 or beyond the user half, something
    /// other than mappings is in the range, or what shall grow is not of one kind with one set of
    /// rights; [`Error::NotMapped`] with a hole in the range; [`Error::NoMemory`] where there is no
    /// room, beyond the commit limit, or without the records and tables that it takes.
    pub fn mremap(
        &mut self,
        start: u64,
        old_len: u64,
        new_len: u64,
        may_move: bool,
    ) -> Result<u64, Error> {
        let old = pages(start, old_len)?;
        let size = pages(0, new_len)?.end;
        self.check_covered(&old)?;
        self.check_mappings(&old)?;
        let end = start + size;
        if end <= old.end {
            let rest = end..old.end;
            self.unmap_pages(rest)?;
            return Ok(start);
        }
        if self.regions.find(start).is_some_and(|r| r.end() < old.end) {
            self.merge_accounts(&old)?;
        }
        let region = self.regions.find(start).ok_or(Error::NotMapped)?;
        if region.end() < old.end {
            return Err(Error::Invalid);
        }
        let free = end <= abi::USER_TOP && self.regions.first_in(&(old.end..end)).is_none();
        if region.end() == old.end && free {
            let (region, more) = (region.over(region.range()), region.cost_of_growth(end));
            return region.committing_shared(end, || {
                self.committing(more, |space| {
                    let first = region.start();
                    space.regions.change(first, |region| region.set_end(end));
                    space.regions.join(end);
                    Ok(start)
                })
            });
        }
        if !may_move {
            return Err(Error::NoMemory);
        }
        self.move_mapping(old, size)
    }

    /// Merges the regions in `range` that differ only in their account, because the program has changed
    /// permissions and restored them.
    fn merge_accounts(&mut self, range: &Range<u64>) -> Result<(), Error> {
        let regions = self.regions.within(range.clone());
        let ends = regions.fold(range.clone(), |ends, region| {
            ends.start.min(region.start())..ends.end.max(region.end())
        });
        let accounts = self.regions.within(ends.clone()).map(Region::account);
        let Some(most) = accounts.max() else {
            return Ok(());
        };
        let more = self.cost_of_change(&ends, |_| most);
        self.committing(more, |space| {
            let mut at = ends.start;
            while let Some(region) = space.regions.first_in(&(at..ends.end)) {
                let first = region.start();
                at = region.end();
                space
                    .regions
                    .change(first, |region| region.set_account(most));
            }
            space.regions.join_all(ends);
            Ok(())
        })
    }

    /// Moves a part of one mapping to the lowest free range of `size` bytes.
    fn move_mapping(&mut self, old: Range<u64>, size: u64) -> Result<u64, Error> {
        let area = abi::MMAP_BASE..abi::USER_TOP;
        let gap = self.regions.lowest_gap(size, area);
        let start = gap.ok_or(Error::NoMemory)?;
        let new = start..start + size;
        let region = self.regions.find(old.start).ok_or(Error::NotMapped)?;
        let moved = region.moved(old.start, new.clone())?;
        // Its frames move with it.
        let own = region.own_pages_in(&old);
        let more = moved.extent().cost_of_insertion().saturating_sub(own);
        let end = new.end;
        let shown = moved.over(new.clone());
        shown.committing_shared(end, || {
            self.committing(more, |space| space.move_to(old, new, moved))
        })
    }

    fn move_to(
        &mut self,
        old: Range<u64>,
        new: Range<u64>,
        moved: Region<M>,
    ) -> Result<u64, Error> {
        let start = new.start;
        let moved = Node::try_new(moved)?;
        let prealloc = self.table.reserve(&old)?;
        let ready = self.table.prealloc_move(&old, start);
        if let Err(error) = ready.and_then(|()| self.cut_around(&old)) {
            self.table.clear(new.clone(), &new);
            return Err(error);
        }
        self.table.unshare(&old, prealloc);
        self.table.move_page_tables(&old, start);
        self.remove_regions(&old);
        // Inserted before the old range is cleared: a leaf table that spans both must not count as unused.
        self.regions.insert_merged(moved);
        self.zap_range(old);
        Ok(start)
    }
}
