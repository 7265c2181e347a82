//! What a region is charged: its own frames, and the page tables for its addresses. A table that two neighbours
//! share counts once.

use paging::Level;

/// What a region is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Account {
    /// Nothing: a large region that was never accessible.
    Nothing,
    /// Page tables only: its frames belong to a file, to shared memory, or are the zero page.
    Tables,
    /// Page tables, and a frame for each page.
    Pages,
}

/// The part of a region that accounting uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Address of the first and of the last byte.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) account: Account,
    /// Private frames, at most.
    pub(crate) pages: u64,
}

/// Levels below the root; every space has one root table.
fn levels() -> impl Iterator<Item = Level> {
    Level::ROOT.all_below()
}

/// Tables that have entries in `from..=to`.
pub(crate) fn tables(from: u64, to: u64) -> u64 {
    let count = |level: Level| to / level.table_span() - from / level.table_span() + 1;
    levels().map(count).sum()
}

/// Tables that two extents, lower first, share.
fn shared_tables(a: Option<Extent>, b: Option<Extent>) -> u64 {
    let needs = |extent: &Extent| extent.account != Account::Nothing;
    let (Some(a), Some(b)) = (a.filter(needs), b.filter(needs)) else {
        return 0;
    };
    let together = |level: &Level| a.last / level.table_span() == b.first / level.table_span();
    levels().filter(together).count() as u64
}

impl Extent {
    /// The charge without neighbours.
    pub(crate) fn cost(self) -> u64 {
        match self.account {
            Account::Nothing => 0,
            _ => self.pages + tables(self.first, self.last),
        }
    }

    /// The most that inserting it between two others can add.
    pub(crate) fn cost_of_insertion(self) -> u64 {
        match self.account {
            // Its neighbours, no longer adjacent, do not count the tables that they share once.
            Account::Nothing => levels().count() as u64,
            _ => self.cost(),
        }
    }

    /// Whether `other` in its place needs the same tables.
    pub(crate) fn ends_like(self, other: Extent) -> bool {
        let same = |a: u64, b: u64| a / Level::LEAF.table_span() == b / Level::LEAF.table_span();
        same(self.first, other.first)
            && same(self.last, other.last)
            && (self.account == Account::Nothing) == (other.account == Account::Nothing)
    }
}

/// The charge of `middle` between two neighbours.
pub(crate) fn between(
    before: Option<Extent>,
    middle: Option<Extent>,
    after: Option<Extent>,
) -> i64 {
    match middle {
        Some(extent) => {
            extent.cost() as i64
                - (shared_tables(before, middle) + shared_tables(middle, after)) as i64
        }
        None => -(shared_tables(before, after) as i64),
    }
}
