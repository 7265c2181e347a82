//! The pool of slab descriptors: pages of descriptors, allocated in runs of one, two or four. The first descriptor of
//! each page is its header, whose bits are the bitmap of free runs.

use crate::descriptor::{DescriptorId, List, PAGE_ORDER, descriptor};
use crate::pages::Pages;
use core::num::NonZeroU64;
use frames::Pfn;

/// Number of run lengths; their orders are 0, 1 and 2.
pub(crate) const RUN_ORDERS: usize = 3;

/// The pool of runs of one length.
pub(crate) struct Pool {
    /// Headers of the pages with a free run.
    partial: List,
    /// All pages.
    pages: usize,
}

/// Bitmap of all runs of a page except the first one, which has the header.
fn all_runs(order: u32) -> [u64; 2] {
    let runs = 1u32 << (PAGE_ORDER - order);
    let low = u64::MAX >> (64 - runs.min(64));
    [low & !1, if runs > 64 { u64::MAX } else { 0 }]
}

impl Pool {
    pub(crate) const EMPTY: Pool = Pool {
        partial: List::EMPTY,
        pages: 0,
    };

    /// Pages of descriptors.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Adds a page of unused descriptors, given by the id of its first one.
    pub(crate) fn add<P: Pages>(&mut self, pages: &P, header: DescriptorId, order: u32) {
        descriptor(pages, header).set_bits(all_runs(order));
        self.partial.push(pages, header);
        self.pages += 1;
    }

    /// Allocates a run; returns its first descriptor, or `None` if there is no free run.
    pub(crate) fn take<P: Pages>(&mut self, pages: &P, order: u32) -> Option<DescriptorId> {
        let id = self.partial.first()?;
        let header = descriptor(pages, id);
        let mut free = header.bits();
        let word = usize::from(free[0] == 0);
        let run = NonZeroU64::new(free[word])?.trailing_zeros() as usize + word * 64;
        free[word] &= free[word] - 1;
        header.set_bits(free);
        if free == [0, 0] {
            self.partial.remove(pages, id);
        }
        Some(id.plus((run << order) as u32))
    }

    /// Frees a run. If its page is empty then, removes the page from the pool and returns it.
    pub(crate) fn give<P: Pages>(
        &mut self,
        pages: &P,
        first: DescriptorId,
        order: u32,
    ) -> Option<Pfn> {
        let id = first.first_in_page();
        let header = descriptor(pages, id);
        let mut free = header.bits();
        if free == [0, 0] {
            self.partial.push(pages, id);
        }
        let run = first.index() >> order;
        free[run / 64] |= 1 << (run % 64);
        header.set_bits(free);
        if free != all_runs(order) {
            return None;
        }
        self.partial.remove(pages, id);
        self.pages -= 1;
        Some(id.page())
    }
}
