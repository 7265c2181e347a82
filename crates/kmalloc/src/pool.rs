//! The pool of units: pages of units, of which groups of one, two or four are given out. The first
//! group of a page is its header: which of the other groups are free.

use crate::pages::Pages;
use crate::unit::{List, PAGE_ORDER, UnitId, unit};
use core::num::NonZeroU64;
use core::sync::atomic::Ordering;
use frames::Pfn;

/// Orders of groups.
pub(crate) const GROUP_ORDERS: usize = 3;

/// Groups of one order.
pub(crate) struct Pool {
    /// Headers of the pages that have a free group.
    roomy: List,
    /// Pages in all.
    pages: usize,
}

/// Bits of the groups of a page that are for use, as two words: all but the first.
fn all_groups(order: u32) -> [u64; 2] {
    let groups = 1u32 << (PAGE_ORDER - order);
    let low = u64::MAX >> (64 - groups.min(64));
    [low & !1, if groups > 64 { u64::MAX } else { 0 }]
}

impl Pool {
    pub(crate) const EMPTY: Pool = Pool {
        roomy: List::EMPTY,
        pages: 0,
    };

    /// Pages of units.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Adds a page that was [`prepare`](crate::unit::prepare)d and has this first unit.
    pub(crate) fn add<P: Pages>(&mut self, pages: &P, header: UnitId, order: u32) {
        set_groups(pages, header, all_groups(order));
        self.roomy.push(pages, header);
        self.pages += 1;
    }

    /// A group; none when another page is needed.
    pub(crate) fn take<P: Pages>(&mut self, pages: &P, order: u32) -> Option<UnitId> {
        let header = self.roomy.first()?;
        let mut groups = groups(pages, header);
        let word = usize::from(groups[0] == 0);
        let group = NonZeroU64::new(groups[word])?.trailing_zeros() as usize + word * 64;
        groups[word] &= groups[word] - 1;
        set_groups(pages, header, groups);
        if groups == [0, 0] {
            self.roomy.remove(pages, header);
        }
        Some(header.plus((group << order) as u32))
    }

    /// Takes a group back; the page that it was the last one of, which is no longer the pool's.
    pub(crate) fn give<P: Pages>(&mut self, pages: &P, id: UnitId, order: u32) -> Option<Pfn> {
        let header = UnitId::first_of(id.page())?;
        let mut groups = groups(pages, header);
        if groups == [0, 0] {
            self.roomy.push(pages, header);
        }
        let group = id.place() >> order;
        groups[group / 64] |= 1 << (group % 64);
        set_groups(pages, header, groups);
        if groups != all_groups(order) {
            return None;
        }
        self.roomy.remove(pages, header);
        self.pages -= 1;
        Some(header.page())
    }
}

/// A header's free groups: they are where other units have their objects.
fn groups<P: Pages>(pages: &P, header: UnitId) -> [u64; 2] {
    let header = unit(pages, header);
    [header.live.load(Ordering::Relaxed), header.free()]
}

fn set_groups<P: Pages>(pages: &P, header: UnitId, [low, high]: [u64; 2]) {
    let header = unit(pages, header);
    header.live.store(low, Ordering::Relaxed);
    header.set_free(high);
}
