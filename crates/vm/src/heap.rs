//! Where the heap is.

use paging::page_up;

/// Where the heap is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heap {
    /// Lowest break, a byte address.
    pub(crate) base: u64,
    /// Address of the first page that is the heap's own.
    pub(crate) first: u64,
    /// The break.
    pub(crate) brk: u64,
}

impl Heap {
    /// End of the heap's pages when the break is at `brk`, an address of the user half.
    pub(crate) fn end(&self, brk: u64) -> u64 {
        if brk == self.base {
            return self.first;
        }
        page_up(brk).unwrap_or(abi::USER_TOP).max(self.first)
    }
}
