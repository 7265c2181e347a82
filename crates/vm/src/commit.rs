//! Accounting for what a space was promised: frames that its pages and page tables may still come to
//! need, whatever it touches. A machine that keeps the promises of all spaces below the frames it has
//! never runs out of them in a fault ([`Machine::commit`]); as Linux's `vm.overcommit_memory=2`, but
//! with the page tables.
//!
//! The tree of regions keeps the sum of what each may take (`account.rs`), so that it costs no walk.

use crate::account::{Account, tables};
use crate::{AddressSpace, Error, Files};
use core::ops::Range;
use paging::PAGE;

impl<M: Files> AddressSpace<M> {
    /// Frames that the space may come to have, with its page tables and what forks put aside.
    pub fn committed(&self) -> u64 {
        self.needed() + self.table.spares() as u64
    }

    /// Those without what forks put aside, which is promised by itself.
    fn needed(&self) -> u64 {
        self.regions.committed() + 1
    }

    /// Has the machine promise `more` frames before `act` makes the regions that need them, and gives
    /// back what is promised too much afterwards.
    pub(crate) fn committing<T>(
        &mut self,
        more: u64,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.promise.grow(more)?;
        let result = act(self);
        self.settle();
        result
    }

    /// Gives back what was promised for regions that are gone, and says how many there are now.
    pub(crate) fn settle(&mut self) {
        self.promise.shrink(self.needed());
        self.count_records();
    }

    /// What it takes more to let the pages of `range` have the account that `account` gives a region.
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
