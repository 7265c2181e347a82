//! Nodes of the region tree: insertion, removal and balance.

use crate::{Error, Files, PageTable, Region};
use core::cmp::Ordering;
use fallible::{AllocError, KArc, KBox};

/// A record in the tree; allocated before an operation changes anything.
pub(crate) struct Node<M: Files> {
    pub(super) region: Region<M>,
    pub(super) left: Link<M>,
    pub(super) right: Link<M>,
    /// Of the subtree: levels, first and last address, widest gap between two of its regions.
    pub(super) height: u8,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) gap: u64,
}

pub(super) type Link<M> = Option<KBox<Node<M>>>;

impl<M: Files> Node<M> {
    /// A record for `region`, in no tree yet.
    pub(crate) fn try_new(region: Region<M>) -> Result<KBox<Node<M>>, AllocError> {
        KBox::try_new(Node::new(region))
    }

    pub(super) fn new(region: Region<M>) -> Node<M> {
        let (first, last) = (region.start(), region.end());
        Node {
            region,
            left: None,
            right: None,
            height: 1,
            first,
            last,
            gap: 0,
        }
    }

    /// Updates the node's subtree data from its children.
    pub(super) fn update(&mut self) {
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

fn height<M: Files>(link: &Link<M>) -> u8 {
    link.as_ref().map_or(0, |node| node.height)
}

/// The height of the left side minus that of the right.
fn lean<M: Files>(node: &Node<M>) -> i8 {
    height(&node.left) as i8 - height(&node.right) as i8
}

fn rotate_left<M: Files>(mut node: KBox<Node<M>>) -> KBox<Node<M>> {
    let Some(mut top) = node.right.take() else {
        return node;
    };
    node.right = top.left.take();
    node.update();
    top.left = Some(node);
    top.update();
    top
}

fn rotate_right<M: Files>(mut node: KBox<Node<M>>) -> KBox<Node<M>> {
    let Some(mut top) = node.left.take() else {
        return node;
    };
    node.left = top.right.take();
    node.update();
    top.right = Some(node);
    top.update();
    top
}

/// Rebalances and updates a node whose sides differ by at most two levels.
fn balance<M: Files>(link: &mut Link<M>) {
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

pub(super) fn insert<M: Files>(link: &mut Link<M>, new: KBox<Node<M>>) {
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

pub(super) fn remove<M: Files>(link: &mut Link<M>, start: u64) -> Link<M> {
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

fn remove_first<M: Files>(link: &mut Link<M>) -> Link<M> {
    if link.as_ref()?.left.is_some() {
        let first = remove_first(&mut link.as_mut()?.left);
        balance(link);
        return first;
    }
    let mut node = link.take()?;
    *link = node.right.take();
    Some(node)
}

/// Changes the region that starts at `start`, and updates the nodes above it.
pub(super) fn change<M: Files>(link: &mut Link<M>, start: u64, with: impl FnOnce(&mut Region<M>)) {
    let Some(node) = link else { return };
    match start.cmp(&node.region.start()) {
        Ordering::Less => change(&mut node.left, start, with),
        Ordering::Greater => change(&mut node.right, start, with),
        Ordering::Equal => with(&mut node.region),
    }
    node.update();
}

pub(super) fn forked<M: Files>(
    link: &Link<M>,
    table: &KArc<PageTable<M>>,
) -> Result<Link<M>, Error> {
    let Some(node) = link else { return Ok(None) };
    let mut copy = Node::try_new(node.region.forked(table)?)?;
    copy.left = forked(&node.left, table)?;
    copy.right = forked(&node.right, table)?;
    copy.update();
    Ok(Some(copy))
}

/// The result of a gap search.
pub(super) enum Search {
    /// There is one, here.
    Found(u64),
    /// There is none; what follows the subtree is free from here.
    FreeFrom(u64),
}

/// The lowest gap of `len` bytes below the last region of a subtree and not below `from`. A subtree above
/// `from` is entered only if it has such a gap, so the search is one descent, and one along the border at
/// `from`.
pub(super) fn gap_below<M: Files>(link: &Link<M>, len: u64, from: u64) -> Search {
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
