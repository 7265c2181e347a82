//! The tree against a plain list.

extern crate std;

use super::*;
use crate::region::RegionKind;
use crate::{Flush, Machine, Object};
use abi::Prot;
use frames::Pfn;
use lock_api::{GuardNoSend, RawMutex};
use paging::{Table, Tables};
use std::vec::Vec;

impl Files for Nowhere {
    type File = NoFile;
}

/// A lock for one thread.
pub(crate) struct Unlocked;

// SAFETY: nobody else is there.
#[allow(unsafe_code)]
unsafe impl RawMutex for Unlocked {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Unlocked = Unlocked;
    type GuardMarker = GuardNoSend;
    fn lock(&self) {}
    fn try_lock(&self) -> bool {
        true
    }
    unsafe fn unlock(&self) {}
}

pub(crate) enum NoFile {}

impl Clone for NoFile {
    fn clone(&self) -> NoFile {
        match *self {}
    }
}

impl AsRef<Object<Nowhere>> for NoFile {
    fn as_ref(&self) -> &Object<Nowhere> {
        match *self {}
    }
}

/// A machine whose spaces have a root table and nothing else.
#[derive(Clone)]
pub(crate) struct Nowhere;

impl Tables for Nowhere {
    fn table(&self, _: Pfn) -> &Table {
        unreachable!("the tree has no tables")
    }
}

// SAFETY: it gives out no frame.
#[allow(unsafe_code)]
unsafe impl Machine for Nowhere {
    type ObjectLock = Unlocked;
    type EntriesLock = Unlocked;
    type TableLock = Unlocked;
    type Context = ();
    fn alloc(&self) -> Option<Pfn> {
        None
    }
    fn alloc_zeroed(&self) -> Option<Pfn> {
        Some(Pfn::new(1))
    }
    fn retain(&self, _: Pfn) {}
    fn release(&self, _: Pfn) {}
    fn is_unique(&self, _: Pfn) -> bool {
        false
    }
    fn release_unless_last(&self, _: Pfn) -> bool {
        false
    }
    fn alloc_large(&self) -> Option<Pfn> {
        None
    }
    fn retain_large(&self, _: Pfn) {}
    fn release_large(&self, _: Pfn) {}
    fn is_unique_large(&self, _: Pfn) -> bool {
        false
    }
    fn split_large(&self, _: Pfn) {}
    fn zero_page(&self) -> Pfn {
        Pfn::new(0)
    }
    fn copy_page(&self, _: Pfn, _: Pfn) {}
    fn clear_tail(&self, _: Pfn, _: usize) {}
    fn init_root(&self, _: Pfn) {}
    fn new_context(&self, _: Pfn) {}
    fn table_lock(&self, _: Pfn) -> &lock_api::Mutex<Unlocked, ()> {
        unreachable!("no table is common")
    }
    fn shoot_down(&self, (): &(), _: Flush) {}
    fn flush_here(&self, (): &(), _: Flush) {}
}

const PAGE: u64 = 4096;
/// Pages in the range that the tests use.
const SPAN: u64 = 4000;

fn table() -> KArc<PageTable<Nowhere>> {
    PageTable::try_new(Nowhere).expect("a root")
}

fn node(range: Range<u64>) -> KBox<Node<Nowhere>> {
    let range = range.start * PAGE..range.end * PAGE;
    let region = Region::new(range, Prot::READ, RegionKind::Data, None);
    Node::try_new(region).expect("memory")
}

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What a node knows of its subtree must be so. Returns height and number of nodes.
fn check(link: &Link<Nowhere>) -> (u8, usize) {
    let Some(node) = link else { return (0, 0) };
    let (left, right) = (check(&node.left), check(&node.right));
    assert!(
        left.0.abs_diff(right.0) < 2,
        "heights {} and {}",
        left.0,
        right.0
    );
    let (height, first, last, gap) = (node.height, node.first, node.last, node.gap);
    let mut copy = Node::try_new(node.region.over(node.region.range())).expect("memory");
    copy.left = forked(&node.left, &table()).expect("memory");
    copy.right = forked(&node.right, &table()).expect("memory");
    copy.update();
    assert_eq!(
        (height, first, last, gap),
        (copy.height, copy.first, copy.last, copy.gap)
    );
    assert_eq!(height, 1 + left.0.max(right.0));
    (height, 1 + left.1 + right.1)
}

fn lowest_gap(list: &[(u64, u64)], len: u64, area: Range<u64>) -> Option<u64> {
    let ends = list
        .iter()
        .map(|&(_, end)| end)
        .filter(|&end| end > area.start);
    let mut places: Vec<u64> = core::iter::once(area.start).chain(ends).collect();
    places.sort_unstable();
    let clear = |&at: &u64| {
        list.iter()
            .all(|&(start, end)| at + len <= start || end <= at)
    };
    places
        .into_iter()
        .find(clear)
        .filter(|at| at + len <= area.end)
}

#[test]
fn agrees_with_a_list() {
    let mut tree = RegionTree::<Nowhere>::new();
    let mut list: Vec<(u64, u64)> = Vec::new();
    let mut numbers = Numbers(88172645463325252);
    for round in 0..6000 {
        let at = numbers.below(SPAN);
        let len = 1 + numbers.below(if round % 3 == 0 { 60 } else { 5 });
        let clear = list
            .iter()
            .all(|&(start, end)| at + len <= start || end <= at);
        if clear && round % 2500 < 1500 {
            tree.insert(node(at..at + len));
            list.push((at, at + len));
        } else if let Some(found) = list
            .iter()
            .position(|&(start, end)| start <= at && at < end)
        {
            let (start, end) = list[found];
            match numbers.below(3) {
                0 if start < at => {
                    tree.cut(at * PAGE).expect("memory");
                    list[found].1 = at;
                    list.push((at, end));
                }
                1 if start < at => {
                    tree.change(start * PAGE, |region| region.trim_front(at * PAGE));
                    list[found].0 = at;
                }
                _ => {
                    tree.remove(start * PAGE);
                    list.swap_remove(found);
                }
            }
        }
        compare(&tree, &list, at, len);
        if round % 500 == 0 {
            assert_eq!(check(&tree.root).1, list.len());
        }
    }
}

fn compare(tree: &RegionTree<Nowhere>, list: &[(u64, u64)], at: u64, len: u64) {
    assert_eq!(tree.len(), list.len());
    let bounds = |region: &Region<Nowhere>| (region.start() / PAGE, region.end() / PAGE);
    let inside = list.iter().find(|&&(start, end)| start <= at && at < end);
    assert_eq!(
        tree.find(at * PAGE).map(bounds).as_ref(),
        inside,
        "region of {at}"
    );
    let after = list.iter().filter(|r| r.1 > at).min();
    assert_eq!(
        tree.ending_after(at * PAGE).map(bounds).as_ref(),
        after,
        "ending after {at}"
    );
    let before = list.iter().filter(|r| r.0 < at).max();
    assert_eq!(
        tree.starting_below(at * PAGE).map(bounds).as_ref(),
        before,
        "below {at}"
    );
    let gap = tree
        .lowest_gap(len * PAGE, at * PAGE..SPAN * PAGE)
        .map(|gap| gap / PAGE);
    assert_eq!(
        gap,
        lowest_gap(list, len, at..SPAN),
        "gap of {len} from {at}"
    );
}

#[test]
fn stays_flat_however_it_grows() {
    let orders: [fn(u64) -> u64; 3] = [|n| n, |n| 9999 - n, |n| n * 7919 % 10_000];
    for order in orders {
        let mut tree = RegionTree::new();
        (0..10_000)
            .map(order)
            .for_each(|n| tree.insert(node(2 * n..2 * n + 1)));
        let (height, count) = check(&tree.root);
        assert_eq!(count, 10_000);
        assert!(
            height <= 18,
            "{height} levels for 10,000 regions; AVL trees have 18 at most"
        );
        for n in (0..10_000).filter(|n| n % 10 != 0) {
            tree.remove(2 * n * PAGE);
        }
        let (height, count) = check(&tree.root);
        assert_eq!(count, 1000);
        assert!(
            height <= 14,
            "{height} levels for 1,000 regions; AVL trees have 14 at most"
        );
    }
}

#[test]
fn a_copy_is_whole_and_apart() {
    let mut tree = RegionTree::<Nowhere>::new();
    (0..100).for_each(|n| tree.insert(node(3 * n..3 * n + 2)));
    let copy = tree.forked(&table()).expect("memory");
    (0..50).for_each(|n| tree.remove(3 * n * PAGE));
    assert_eq!(
        (tree.len(), copy.len(), check(&copy.root).1),
        (50, 100, 100)
    );
    assert_eq!(copy.within(0..u64::MAX).count(), 100);
    assert_eq!(
        copy.within(4 * PAGE..10 * PAGE).count(),
        3,
        "pages 4 to 9: regions 1, 2, 3"
    );
}

#[test]
fn free_around_reaches_to_the_neighbours() {
    let mut tree = RegionTree::<Nowhere>::new();
    assert_eq!(tree.free_around(&(PAGE..2 * PAGE)), 0..abi::MAXVA);
    tree.insert(node(2..4));
    tree.insert(node(10..12));
    assert_eq!(tree.free_around(&(5 * PAGE..6 * PAGE)), 4 * PAGE..10 * PAGE);
    assert_eq!(
        tree.free_around(&(4 * PAGE..10 * PAGE)),
        4 * PAGE..10 * PAGE
    );
    assert_eq!(tree.free_around(&(0..PAGE)), 0..2 * PAGE);
    assert_eq!(
        tree.free_around(&(12 * PAGE..13 * PAGE)),
        12 * PAGE..abi::MAXVA
    );
}
