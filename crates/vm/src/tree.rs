//! The regions of an address space, in order of address: an AVL tree in which every node also has the extent of
//! its subtree and the widest gap in it. So the region of an address, its neighbours, and the lowest gap of a
//! given size are each found in one descent.

mod node;
#[cfg(test)]
pub(crate) mod tests;

use crate::account::{Extent, between};
use crate::{Error, Files, PageTable, Region};
use core::ops::Range;
use fallible::{AllocError, KArc, KBox};
pub(crate) use node::Node;
use node::{Link, Search, change, forked, gap_below, insert, remove};

/// The regions of one space.
pub(crate) struct RegionTree<M: Files> {
    root: Link<M>,
    len: usize,
    /// The charge of all regions, with their page tables.
    committed: u64,
    /// A preallocated record for a split without memory. A space with mappings has one.
    spare: Link<M>,
}

impl<M: Files> RegionTree<M> {
    pub(crate) const fn new() -> RegionTree<M> {
        RegionTree {
            root: None,
            len: 0,
            committed: 0,
            spare: None,
        }
    }

    /// A copy of every record, for another space with this page table.
    pub(crate) fn forked(&self, table: &KArc<PageTable<M>>) -> Result<RegionTree<M>, Error> {
        let mut tree = RegionTree {
            root: forked(&self.root, table)?,
            len: self.len,
            committed: self.committed,
            spare: None,
        };
        if self.spare.is_some() {
            tree.refill()?;
        }
        Ok(tree)
    }

    /// The charge of all regions, with their page tables except the root.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// Updates the charge when `old` becomes `new`; nothing else is in its range.
    fn recount(&mut self, old: Option<Extent>, new: Option<Extent>) {
        let change = match (old, new) {
            (Some(old), Some(new)) if old.ends_like(new) => new.pages as i64 - old.pages as i64,
            _ => {
                let ends = old.into_iter().chain(new);
                let (first, last) = ends.fold((u64::MAX, 0), |(first, last), extent| {
                    (extent.first.min(first), extent.last.max(last))
                });
                let before = self.starting_below(first).map(Region::extent);
                let after = self.ending_after(last + 1).map(Region::extent);
                between(before, new, after) - between(before, old, after)
            }
        };
        self.committed = self.committed.saturating_add_signed(change);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The region that `addr` lies in.
    pub(crate) fn find(&self, addr: u64) -> Option<&Region<M>> {
        self.ending_after(addr)
            .filter(|region| region.start() <= addr)
    }

    /// The lowest region that ends behind `addr`: the one it lies in, or the next.
    pub(crate) fn ending_after(&self, addr: u64) -> Option<&Region<M>> {
        let mut found = None;
        let mut link = &self.root;
        while let Some(node) = link {
            if node.region.end() > addr {
                found = Some(&node.region);
                link = &node.left;
            } else {
                link = &node.right;
            }
        }
        found
    }

    /// The highest region that starts below `addr`.
    pub(crate) fn starting_below(&self, addr: u64) -> Option<&Region<M>> {
        let mut found = None;
        let mut link = &self.root;
        while let Some(node) = link {
            if node.region.start() < addr {
                found = Some(&node.region);
                link = &node.right;
            } else {
                link = &node.left;
            }
        }
        found
    }

    /// The region that shares a page with `range` and lies lowest.
    pub(crate) fn first_in(&self, range: &Range<u64>) -> Option<&Region<M>> {
        self.ending_after(range.start)
            .filter(|region| region.start() < range.end && !range.is_empty())
    }

    /// All regions that share a page with `range`, in order.
    pub(crate) fn within(&self, range: Range<u64>) -> Regions<'_, M> {
        Regions { tree: self, range }
    }

    /// The addresses around `range` up to the neighbouring regions, as if there were none in the range itself.
    pub(crate) fn free_around(&self, range: &Range<u64>) -> Range<u64> {
        let start = self.starting_below(range.start).map_or(0, Region::end);
        let end = self
            .ending_after(range.end)
            .map_or(abi::MAXVA, Region::start);
        start.min(range.start)..end.max(range.end)
    }

    /// Start of the lowest gap of `len` bytes inside `area`.
    pub(crate) fn lowest_gap(&self, len: u64, area: Range<u64>) -> Option<u64> {
        let start = match gap_below(&self.root, len, area.start) {
            Search::Found(start) => start,
            Search::FreeFrom(start) => start,
        };
        (start.checked_add(len)? <= area.end).then_some(start)
    }

    /// Adds a record. Its range must be free.
    pub(crate) fn insert(&mut self, node: KBox<Node<M>>) {
        self.recount(None, Some(node.region.extent()));
        self.len += 1;
        insert(&mut self.root, node);
    }

    /// Adds a record, or lets its neighbours take over the range when they agree with it.
    pub(crate) fn insert_merged(&mut self, node: KBox<Node<M>>) {
        let new = &node.region;
        let before = self
            .starting_below(new.start())
            .filter(|r| r.continues_in(new));
        let after = self.ending_after(new.end()).filter(|r| new.continues_in(r));
        let end = after.map_or(new.end(), Region::end);
        match (before.map(Region::start), after.map(Region::start)) {
            (None, None) => self.insert(node),
            (None, Some(after)) => {
                self.remove(after);
                let mut node = node;
                node.region.set_end(end);
                node.update();
                self.insert(node);
            }
            (Some(before), after) => {
                if let Some(after) = after {
                    self.remove(after);
                }
                self.change(before, |region| region.set_end(end));
            }
        }
    }

    /// Takes out the region that starts at `start`.
    pub(crate) fn remove(&mut self, start: u64) {
        if let Some(node) = remove(&mut self.root, start) {
            self.len -= 1;
            self.recount(Some(node.region.extent()), None);
            self.spare.get_or_insert(node).region = Region::nothing();
        }
    }

    /// Changes the region that starts at `start`; it must not come to overlap another.
    pub(crate) fn change(&mut self, start: u64, with: impl FnOnce(&mut Region<M>)) {
        let mut extents = None;
        change(&mut self.root, start, |region| {
            let old = region.extent();
            with(region);
            extents = Some((old, region.extent()));
        });
        if let Some((old, new)) = extents.filter(|(old, new)| old != new) {
            self.recount(Some(old), Some(new));
        }
    }

    /// Cuts the region that `at` lies in into two, the second of which starts at `at`. Nothing to
    /// do where `at` is a border already; tells whether there was.
    pub(crate) fn cut(&mut self, at: u64) -> Result<bool, AllocError> {
        let region = self.find(at).filter(|region| region.start() < at);
        let Some(tail) = region.map(|region| region.over(at..region.end())) else {
            return Ok(false);
        };
        self.cut_off(Node::try_new(tail)?);
        Ok(true)
    }

    /// As [`cut`](Self::cut), with the spare record if there is no memory for one.
    pub(crate) fn cut_with_spare(&mut self, at: u64) -> Result<bool, AllocError> {
        self.cut(at).or_else(|error| {
            let region = self.find(at).ok_or(error)?;
            let tail = region.over(at..region.end());
            let mut node = self.spare.take().ok_or(error)?;
            *node = Node::new(tail);
            self.cut_off(node);
            Ok(true)
        })
    }

    /// Puts in the record of what is cut off the end of a region.
    fn cut_off(&mut self, tail: KBox<Node<M>>) {
        let at = tail.region.start();
        if let Some(start) = self.starting_below(at).map(Region::start) {
            self.change(start, |region| region.set_end(at));
        }
        self.insert(tail);
    }

    /// Has a record to spare, for [`cut_with_spare`](Self::cut_with_spare), unless there is no memory.
    pub(crate) fn refill(&mut self) -> Result<(), AllocError> {
        if self.spare.is_none() {
            self.spare = Some(Node::try_new(Region::nothing())?);
        }
        Ok(())
    }

    /// Merges two regions that meet at `at`, if they match; returns whether it did.
    pub(crate) fn join(&mut self, at: u64) -> bool {
        let (Some(before), Some(after)) = (self.starting_below(at), self.find(at)) else {
            return false;
        };
        let (start, end) = (before.start(), after.end());
        if !before.continues_in(after) {
            return false;
        }
        self.remove(at);
        self.change(start, |region| region.set_end(end));
        true
    }

    /// Merges matching regions at every border from `range.start` to `range.end`, inclusive.
    pub(crate) fn join_all(&mut self, range: Range<u64>) {
        let mut at = range.start;
        self.join(at);
        while let Some(region) = self.find(at).filter(|region| region.end() <= range.end) {
            let end = region.end();
            if !self.join(end) {
                at = end;
            }
        }
    }
}

/// Regions in order of address.
pub struct Regions<'a, M: Files> {
    tree: &'a RegionTree<M>,
    range: Range<u64>,
}

impl<'a, M: Files> Iterator for Regions<'a, M> {
    type Item = &'a Region<M>;

    fn next(&mut self) -> Option<&'a Region<M>> {
        let region = self.tree.first_in(&self.range)?;
        self.range.start = region.end();
        Some(region)
    }
}
