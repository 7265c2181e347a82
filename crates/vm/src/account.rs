//! What a region may come to take: frames of its own, and the tables that its addresses need. Tables that
//! two neighbours share count once.

use paging::Level;

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
pub(crate) fn tables(from: u64, to: u64) -> u64 {
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
