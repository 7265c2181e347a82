//! Commit accounting: the frames that the pages and page tables of a space may come to need. If a machine keeps
//! the sum over all spaces below its frames, a fault always gets one ([`Machine::commit`]); as Linux's
//! `vm.overcommit_memory=2`, but with the page tables.
//!
//! The region tree keeps the sum over its regions (`account.rs`), so no walk is needed.

use crate::account::{Account, tables};
use crate::{AddressSpace, Error, Files};
use core::ops::Range;
use paging::PAGE;

impl<M: Files> AddressSpace<M> {
    /// Frames committed to the space, with its page tables and deposits.
    pub fn committed(&self) -> u64 {
        self.needed() + self.table.deposits() as u64
    }

    /// Those without the deposits.
    fn needed(&self) -> u64 {
        self.regions.committed() + 1
    }

    /// Commits `more` frames, calls `act`, which makes the regions that need them, and uncommits the surplus.
    pub(crate) fn committing<T>(
        &mut self,
        more: u64,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.commitment.grow(more)?;
        let result = act(self);
        self.uncommit_surplus();
        result
    }

    /// Uncommits what removed regions needed, and updates the count of region records.
    pub(crate) fn uncommit_surplus(&mut self) {
        self.commitment.shrink(self.needed());
        self.count_records();
    }

    /// The additional frames if the pages of `range` get the account that `account` returns for their region.
    pub(crate) fn cost_of_change(
        &self,
        range: &Range<u64>,
        account: impl Fn(&crate::Region<M>) -> Account,
    ) -> u64 {
        let regions = self.regions.within(range.clone());
        let costs = regions.map(|region| {
            let old = region.extent();
            let (first, last) = (old.first.max(range.start), old.last.min(range.end - 1));
            let new = account(region).max(old.account);
            let pages = match (old.account, new) {
                (Account::Pages, _) | (_, Account::Nothing | Account::Tables) => 0,
                _ => (last + 1 - first) / PAGE,
            };
            let tables = match old.account < new && old.account == Account::Nothing {
                true => tables(first, last),
                false => 0,
            };
            pages + tables
        });
        costs.sum()
    }
}
