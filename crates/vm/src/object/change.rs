//! What changes the contents of an object but stores to its pages: writes and truncations of the file, and
//! pages that are given back.

use super::{Object, State};
use crate::Machine;
use abi::Use;
use core::ops::Range;
use core::sync::atomic::Ordering;
use frames::Pfn;
use paging::PAGE;

impl<M: Machine> Object<M> {
    /// The file was written at `range`, an offset in bytes: `store` puts the new bytes into each page that
    /// the object alone has, given the frame, the bytes in it, and where they begin in `range`. A page
    /// that somebody else uses goes out of the object; they keep what they have, and the next one reads
    /// it anew. The file is at least as long as the end of the range then.
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

    /// The file was cut to `size` bytes. Pages that are not whole any more go out of the object.
    pub fn truncate(&self, size: u64) {
        let mut state = self.state.lock();
        self.size.store(size, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
        self.take_out(&mut state, size / PAGE, &mut |_| true);
        state.pages.shrink();
    }

    /// Drops pages that nobody else uses, `wanted` at the most, and tells how many it were. With `listed`
    /// it keeps what it takes to list them again. Does nothing where the object is locked, for it is
    /// called from within allocations.
    pub fn shrink(&self, wanted: usize, listed: bool) -> usize {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let mut left = wanted;
        let count = self.take_out(&mut state, 0, &mut |pfn| {
            let goes = left > 0 && self.machine.is_unique(pfn);
            left -= usize::from(goes);
            goes
        });
        if !listed {
            state.pages.shrink();
        }
        count
    }

    /// Pages that [`shrink`](Self::shrink) would drop now.
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

    /// Takes the pages from `from` on out that `goes` names; how many.
    fn take_out(
        &self,
        state: &mut State<M>,
        from: u64,
        goes: &mut dyn FnMut(Pfn) -> bool,
    ) -> usize {
        let count = state.pages.take_out(&self.machine, from, goes);
        self.resident.fetch_sub(count, Ordering::Relaxed);
        count
    }
}
