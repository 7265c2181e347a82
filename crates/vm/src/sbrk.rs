//! `sbrk`. The heap is one region, unless the program has changed permissions of parts of it.

use crate::heap::Heap;
use crate::tree::Node;
use crate::{AddressSpace, Error, Files, Region, RegionKind};
use abi::Prot;
use paging::{page_down, page_up};

impl<M: Files> AddressSpace<M> {
    /// Sets the start of the heap, and the break, to any byte; frees an older heap. The page that contains
    /// `base` belongs to the heap unless a region has it. It allocates nothing.
    pub fn set_heap(&mut self, base: u64) {
        let old = self.heap;
        let range = old.first..old.end(old.brk);
        self.unmap_range(range);
        self.uncommit_surplus();
        let base = base.min(abi::USER_TOP);
        let page = page_down(base);
        let taken = page < base && self.regions.find(page).is_some();
        let first = if taken {
            page_up(base).unwrap_or(page)
        } else {
            page
        };
        self.heap = Heap {
            base,
            first,
            brk: base,
        };
    }

    /// The break: the first address behind the heap.
    pub fn brk(&self) -> u64 {
        self.heap.brk
    }

    /// Moves the break by `delta` bytes and returns where it was. Growing allocates no page;
    /// shrinking gives pages back at once.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] below the heap's base, [`Error::NoMemory`] when another region or the end of the
    /// user half is in the way, beyond the commit limit, or without a record for the
    /// first page, or for one behind a page with other protection. Shrinking does not fail for want of
    /// memory.
    pub fn sbrk(&mut self, delta: i64) -> Result<u64, Error> {
        let Heap { base, brk: old, .. } = self.heap;
        let new = old.checked_add_signed(delta).ok_or(Error::Invalid)?;
        if new < base {
            return Err(Error::Invalid);
        }
        if new > abi::USER_TOP {
            return Err(Error::NoMemory);
        }
        let (old_end, new_end) = (self.heap.end(old), self.heap.end(new));
        if new_end > old_end {
            self.grow_heap(old_end, new_end)?;
        } else if new_end < old_end {
            let range = new_end..old_end;
            self.unmap_range(range);
            self.uncommit_surplus();
        }
        self.heap.brk = new;
        Ok(old)
    }

    fn grow_heap(&mut self, old_end: u64, end: u64) -> Result<(), Error> {
        if self.regions.first_in(&(old_end..end)).is_some() {
            return Err(Error::NoMemory);
        }
        let prot = Prot::READ | Prot::WRITE;
        let heap = Region::new(old_end..end, prot, RegionKind::Heap, None);
        let before = self.regions.starting_below(old_end);
        match before.filter(|before| before.continues_in(&heap)) {
            Some(before) => {
                let (start, more) = (before.start(), before.cost_of_growth(end));
                self.committing(more, |space| {
                    space.regions.change(start, |heap| heap.set_end(end));
                    Ok(())
                })
            }
            None => self.committing(heap.extent().cost_of_insertion(), |space| {
                space.regions.insert(Node::try_new(heap)?);
                Ok(())
            }),
        }
    }
}
