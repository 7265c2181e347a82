//! The regions of an address space, in order of address: an AVL tree in which every node also knows
//! the extent of its subtree and the widest gap inside it. So the region of an address, its
//! neighbours, and the lowest gap of a given size are all found on one way down.

use crate::{Machine, Region};
use core::cmp::Ordering;
use core::ops::Range;
use kmalloc::{AllocError, KBox};

/// A record in the tree; made before an operation changes anything, for making it can fail.
pub(crate) struct Node<M: Machine> {
    region: Region<M>,
    left: Link<M>,
    right: Link<M>,
    /// Of the subtree: levels, first and last address, widest gap between two of its regions.
    height: u8,
    first: u64,
    last: u64,
    gap: u64,
}

type Link<M> = Option<KBox<Node<M>>>;

impl<M: Machine> Node<M> {
    /// A record for `region`, in no tree yet.
    pub(crate) fn try_new(region: Region<M>) -> Result<KBox<Node<M>>, AllocError> {
        let (first, last) = (region.start(), region.end());
        KBox::try_new(Node {
            region,
            left: None,
            right: None,
            height: 1,
            first,
            last,
            gap: 0,
        })
    }

    /// Works out what the node knows of its subtree from what its children know of theirs.
    fn update(&mut self) {
        self.height = 1 + height(&self.left).max(height(&self.right));
        self.first = self.region.start();
        self.last = self.region.end();
        self.gap = 0;
        if let Some(left) = &self.left {
            self.first = left.first;
            self.gap = left.gap.max(self.region.start().saturating_sub(left.last));
        }
        if let Some(right) = &self.right {
            self.last = right.last;
            let before = right.first.saturating_sub(self.region.end());
            self.gap = self.gap.max(right.gap).max(before);
        }
    }
}

fn height<M: Machine>(link: &Link<M>) -> u8 {
    link.as_ref().map_or(0, |node| node.height)
}

/// How much higher the left side is than the right.
fn lean<M: Machine>(node: &Node<M>) -> i8 {
    height(&node.left) as i8 - height(&node.right) as i8
}

fn rotate_left<M: Machine>(mut node: KBox<Node<M>>) -> KBox<Node<M>> {
    let Some(mut top) = node.right.take() else {
        return node;
    };
    node.right = top.left.take();
    node.update();
    top.left = Some(node);
    top.update();
    top
}

fn rotate_right<M: Machine>(mut node: KBox<Node<M>>) -> KBox<Node<M>> {
    let Some(mut top) = node.left.take() else {
        return node;
    };
    node.left = top.right.take();
    node.update();
    top.right = Some(node);
    top.update();
    top
}

/// Brings a node whose sides differ by at most two levels back into balance, and up to date.
fn balance<M: Machine>(link: &mut Link<M>) {
    let Some(node) = link else { return };
    node.update();
    if lean(node).abs() < 2 {
        return;
    }
    let Some(mut node) = link.take() else { return };
    *link = Some(if lean(&node) > 0 {
        node.left = node
            .left
            .take()
            .map(|n| if lean(&n) < 0 { rotate_left(n) } else { n });
        rotate_right(node)
    } else {
        node.right = node
            .right
            .take()
            .map(|n| if lean(&n) > 0 { rotate_right(n) } else { n });
        rotate_left(node)
    });
}

fn insert<M: Machine>(link: &mut Link<M>, new: KBox<Node<M>>) {
    match link {
        None => *link = Some(new),
        Some(node) => {
            let left = new.region.start() < node.region.start();
            insert(
                if left {
                    &mut node.left
                } else {
                    &mut node.right
                },
                new,
            );
            balance(link);
        }
    }
}

fn remove<M: Machine>(link: &mut Link<M>, start: u64) -> Link<M> {
    let removed = match start.cmp(&link.as_ref()?.region.start()) {
        Ordering::Less => remove(&mut link.as_mut()?.left, start),
        Ordering::Greater => remove(&mut link.as_mut()?.right, start),
        Ordering::Equal => {
            let mut node = link.take()?;
            let mut right = node.right.take();
            *link = match remove_first(&mut right) {
                None => node.left.take(),
                Some(mut top) => {
                    top.left = node.left.take();
                    top.right = right;
                    Some(top)
                }
            };
            Some(node)
        }
    };
    balance(link);
    removed
}

fn remove_first<M: Machine>(link: &mut Link<M>) -> Link<M> {
    if link.as_ref()?.left.is_some() {
        let first = remove_first(&mut link.as_mut()?.left);
        balance(link);
        return first;
    }
    let mut node = link.take()?;
    *link = node.right.take();
    Some(node)
}

/// Changes the region that starts at `start`, and what the nodes above it know.
fn change<M: Machine>(link: &mut Link<M>, start: u64, with: impl FnOnce(&mut Region<M>)) {
    let Some(node) = link else { return };
    match start.cmp(&node.region.start()) {
        Ordering::Less => change(&mut node.left, start, with),
        Ordering::Greater => change(&mut node.right, start, with),
        Ordering::Equal => with(&mut node.region),
    }
    node.update();
}

/// The regions of one space.
pub(crate) struct RegionTree<M: Machine> {
    root: Link<M>,
    len: usize,
}

impl<M: Machine> RegionTree<M> {
    pub(crate) const fn new() -> RegionTree<M> {
        RegionTree { root: None, len: 0 }
    }

    /// A copy of every record.
    pub(crate) fn try_clone(&self) -> Result<RegionTree<M>, AllocError> {
        Ok(RegionTree {
            root: try_clone(&self.root)?,
            len: self.len,
        })
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
            .filter(|region| region.start() < range.end)
    }

    /// All regions that share a page with `range`, in order.
    pub(crate) fn within(&self, range: Range<u64>) -> Regions<'_, M> {
        Regions { tree: self, range }
    }

    /// The addresses around `range` up to the neighbouring regions. The range itself must be free.
    pub(crate) fn free_around(&self, range: &Range<u64>) -> Range<u64> {
        let start = self.starting_below(range.start).map_or(0, Region::end);
        let end = self
            .ending_after(range.start)
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
        if remove(&mut self.root, start).is_some() {
            self.len -= 1;
        }
    }

    /// Changes the region that starts at `start`; it must not come to overlap another.
    pub(crate) fn change(&mut self, start: u64, with: impl FnOnce(&mut Region<M>)) {
        change(&mut self.root, start, with);
    }

    /// Cuts the region that `at` lies in into two, the second of which starts at `at`. Nothing to
    /// do where `at` is a border already.
    pub(crate) fn cut(&mut self, at: u64) -> Result<(), AllocError> {
        let Some(region) = self.find(at).filter(|region| region.start() < at) else {
            return Ok(());
        };
        let start = region.start();
        let tail = Node::try_new(region.tail(at))?;
        self.change(start, |region| region.set_end(at));
        self.insert(tail);
        Ok(())
    }
}

fn try_clone<M: Machine>(link: &Link<M>) -> Result<Link<M>, AllocError> {
    let Some(node) = link else { return Ok(None) };
    let mut copy = Node::try_new(node.region.clone())?;
    copy.left = try_clone(&node.left)?;
    copy.right = try_clone(&node.right)?;
    copy.update();
    Ok(Some(copy))
}

/// What a search for a gap came to.
enum Search {
    /// There is one, here.
    Found(u64),
    /// There is none; what follows the subtree is free from here.
    FreeFrom(u64),
}

/// The lowest gap of `len` bytes below the last region of a subtree and not below `from`. A subtree
/// that lies behind `from` is entered only when it has such a gap, so this is one way down, and one
/// along the border of what `from` cuts off.
fn gap_below<M: Machine>(link: &Link<M>, len: u64, from: u64) -> Search {
    let Some(node) = link else {
        return Search::FreeFrom(from);
    };
    if node.gap < len && node.first.saturating_sub(from) < len || node.last <= from {
        return Search::FreeFrom(from.max(node.last));
    }
    match gap_below(&node.left, len, from) {
        Search::FreeFrom(from) if node.region.start().saturating_sub(from) < len => {
            gap_below(&node.right, len, from.max(node.region.end()))
        }
        Search::FreeFrom(from) | Search::Found(from) => Search::Found(from),
    }
}

/// Regions in order of address.
pub struct Regions<'a, M: Machine> {
    tree: &'a RegionTree<M>,
    range: Range<u64>,
}

impl<'a, M: Machine> Iterator for Regions<'a, M> {
    type Item = &'a Region<M>;

    fn next(&mut self) -> Option<&'a Region<M>> {
        let region = self.tree.first_in(&self.range)?;
        self.range.start = region.end();
        Some(region)
    }
}

#[cfg(test)]
mod tests;
