//! What to flush from a TLB.

/// Translations that a TLB may have and that the page table does not have any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// None.
    #[default]
    Nothing,
    /// That of one page; not the page-walk cache.
    Page(u64),
    /// All of an address space, with the page-walk cache.
    Space,
    /// Those of all address spaces.
    All,
}

impl Flush {
    /// Adds the page at `addr`.
    #[inline(always)]
    pub(crate) fn and_page(self, addr: u64) -> Flush {
        match self {
            Flush::Nothing => Flush::Page(addr),
            _ => Flush::Space,
        }
    }
}
