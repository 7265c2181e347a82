//! Accounting for what a space was promised: frames that its pages and page tables may still come to
//! need, whatever it touches. A machine that keeps the promises of all spaces below the frames it has
//! never runs out of them in a fault ([`Machine::commit`]); as Linux's `vm.overcommit_memory=2`, but
//! with the page tables.
//!
//! Each region counts for the frames that may be its own ([`Account`]), and for the tables its
//! addresses need. Tables that two neighbours share count once. The tree of regions keeps the sum up
//! to date, so that it costs no walk.

use crate::{AddressSpace, Error, Machine};
use core::ops::Range;
use paging::{Level, PAGE};

/// What a region can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Account {
    /// Nothing: it was never accessible, and is large enough that its tables matter.
    Nothing,
    /// Tables only: its frames belong to a file, to shared memory, or are the page of zeroes.
    Tables,
    /// A frame for each page.
    Pages,
}

/// A region, as far as accounting is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Address of the first and of the last byte.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) account: Account,
    /// Frames that may be its own.
    pub(crate) pages: u64,
}

/// Levels below the root, whose one table every space has.
fn levels() -> impl Iterator<Item = Level> {
    Level::ROOT.all_below()
}

/// Tables that hold entries for a part of `from..=to`.
fn tables(from: u64, to: u64) -> u64 {
    let count = |level: Level| to / level.table_span() - from / level.table_span() + 1;
    levels().map(count).sum()
}

/// Tables that two extents, the lower one first, have together.
fn common(a: Option<Extent>, b: Option<Extent>) -> u64 {
    let needs = |extent: &Extent| extent.account != Account::Nothing;
    let (Some(a), Some(b)) = (a.filter(needs), b.filter(needs)) else {
        return 0;
    };
    let together = |level: &Level| a.last / level.table_span() == b.first / level.table_span();
    levels().filter(together).count() as u64
}

impl Extent {
    /// What it takes by itself.
    pub(crate) fn cost(self) -> u64 {
        match self.account {
            Account::Nothing => 0,
            _ => self.pages + tables(self.first, self.last),
        }
    }

    /// What it can take at most when it comes between two others.
    pub(crate) fn cost_of_insertion(self) -> u64 {
        match self.account {
            // Its neighbours do not see any more that they have tables in common.
            Account::Nothing => levels().count() as u64,
            _ => self.cost(),
        }
    }

    /// Whether `other` in its place takes as many tables, those in common with neighbours too.
    pub(crate) fn ends_like(self, other: Extent) -> bool {
        let same = |a: u64, b: u64| a / Level::LEAF.table_span() == b / Level::LEAF.table_span();
        same(self.first, other.first)
            && same(self.last, other.last)
            && (self.account == Account::Nothing) == (other.account == Account::Nothing)
    }
}

/// What `middle` takes between two neighbours.
pub(crate) fn between(
    before: Option<Extent>,
    middle: Option<Extent>,
    after: Option<Extent>,
) -> i64 {
    match middle {
        Some(extent) => {
            extent.cost() as i64 - (common(before, middle) + common(middle, after)) as i64
        }
        None => -(common(before, after) as i64),
    }
}

/// Frames that a tree of shared pages takes with all of them: pages, and tables of 512 above.
pub(crate) fn tree(pages: u64) -> u64 {
    let mut sum = pages;
    let mut level = pages;
    while level > 1 {
        level = level.div_ceil(512);
        sum += level;
    }
    sum
}

/// Frames that a machine has promised.
pub(crate) struct Promise<M: Machine> {
    machine: M,
    frames: u64,
}

impl<M: Machine> Promise<M> {
    pub(crate) fn new(machine: M, frames: u64) -> Result<Promise<M>, Error> {
        let mut promise = Promise { machine, frames: 0 };
        promise.grow(frames)?;
        Ok(promise)
    }

    fn grow(&mut self, more: u64) -> Result<(), Error> {
        if !self.machine.commit(more) {
            return Err(Error::NoMemory);
        }
        self.frames += more;
        Ok(())
    }

    /// Gives back what is more than `needed`.
    fn shrink(&mut self, needed: u64) {
        debug_assert!(self.frames >= needed, "{} of {needed}", self.frames);
        let surplus = self.frames.saturating_sub(needed);
        if surplus > 0 {
            self.frames -= surplus;
            self.machine.uncommit(surplus);
        }
    }
}

impl<M: Machine> Drop for Promise<M> {
    fn drop(&mut self) {
        self.machine.uncommit(self.frames);
    }
}

impl<M: Machine> AddressSpace<M> {
    /// Frames that the space may come to have, with its page tables.
    pub fn committed(&self) -> u64 {
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

    /// Gives back what was promised for regions that are gone.
    pub(crate) fn settle(&mut self) {
        let needed = self.committed();
        self.promise.shrink(needed);
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
