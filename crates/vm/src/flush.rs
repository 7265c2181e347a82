//! What a TLB has to drop.

/// Translations that a hart may remember and that the page table does not have any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// None.
    #[default]
    Nothing,
    /// That of one page. The way to its table stays.
    Page(u64),
    /// All of an address space, and the ways to its tables.
    Space,
    /// Those of all address spaces.
    All,
}

impl Flush {
    /// With the page at `addr`.
    #[inline(always)]
    pub(crate) fn and_page(self, addr: u64) -> Flush {
        match self {
            Flush::Nothing => Flush::Page(addr),
            _ => Flush::Space,
        }
    }
}
