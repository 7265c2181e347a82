//! Changes of an object other than stores to its pages: writes and truncations of the file, and reclaim.

use super::{Object, State};
use crate::Machine;
use abi::Use;
use core::ops::Range;
use core::sync::atomic::Ordering;
use frames::Pfn;
use paging::PAGE;

impl<M: Machine> Object<M> {
    /// Follows a write to bytes `range` of the file: `store` copies the new bytes into each page that only the
    /// object references, given the frame, the bytes in it, and their offset in `range`. A page that others use
    /// is removed; they keep the old contents, and the next access reads it again. Extends the file to the end
    /// of the range.
    pub fn write(&self, range: Range<u64>, mut store: impl FnMut(Pfn, Range<usize>, usize)) {
        let mut state = self.state.lock();
        let mut at = range.start;
        while at < range.end {
            let index = at / PAGE;
            let end = ((index + 1) * PAGE).min(range.end);
            match state.pages.get(&self.machine, index) {
                None => {}
                Some(pfn) if self.machine.is_unique(pfn) => {
                    let start = (at % PAGE) as usize;
                    let inside = start..start + (end - at) as usize;
                    store(pfn, inside, (at - range.start) as usize);
                }
                Some(pfn) => {
                    state.pages.remove(&self.machine, index);
                    self.machine.relabel(pfn, Use::Anonymous);
                    self.resident.fetch_sub(1, Ordering::Relaxed);
                    self.machine.release(pfn);
                }
            }
            at = end;
        }
        self.size.fetch_max(range.end, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Follows a truncation of the file to `size` bytes: removes the pages from the one that contains the new
    /// end on.
    pub fn truncate(&self, size: u64) {
        let mut state = self.state.lock();
        self.size.store(size, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
        self.remove_pages(&mut state, size / PAGE, &mut |_| true);
        state.pages.shrink();
    }

    /// Frees at most `wanted` pages that nobody else references; returns how many. With `listed` it keeps the
    /// memory that lists them. Does nothing if the object is locked, as it is called from allocations.
    pub fn shrink(&self, wanted: usize, listed: bool) -> usize {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let mut left = wanted;
        let count = self.remove_pages(&mut state, 0, &mut |pfn| {
            let goes = left > 0 && self.machine.is_unique(pfn);
            left -= usize::from(goes);
            goes
        });
        if !listed {
            state.pages.shrink();
        }
        count
    }

    /// Pages that [`shrink`](Self::shrink) would free now.
    pub fn reclaimable(&self) -> usize {
        let Some(state) = self.state.try_lock() else {
            return 0;
        };
        let mut count = 0;
        state.pages.for_each(&self.machine, |pfn| {
            count += usize::from(self.machine.is_unique(pfn));
        });
        count
    }

    /// Removes the pages from `from` on that `goes` selects; returns how many.
    fn remove_pages(
        &self,
        state: &mut State<M>,
        from: u64,
        goes: &mut dyn FnMut(Pfn) -> bool,
    ) -> usize {
        let count = state.pages.remove_pages(&self.machine, from, goes);
        self.resident.fetch_sub(count, Ordering::Relaxed);
        count
    }
}
