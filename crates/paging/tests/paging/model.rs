//! Random operations on a tree of tables and on a map from addresses to pages.

use crate::ram::{ROOT, Ram};
use abi::Prot;
use frames::Pfn;
use paging::{Cursor, Entry, Leaf, Level, PAGE, Tables};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of all sizes by their addresses, and tables below the root by the addresses they begin at.
#[derive(Default)]
struct Model {
    leaves: BTreeMap<u64, (Level, Leaf)>,
    tables: BTreeSet<(u64, Level)>,
}

impl Model {
    /// The page that has `addr`.
    fn leaf(&self, addr: u64) -> Option<(u64, Level, Leaf)> {
        let (&start, &(level, leaf)) = self.leaves.range(..=addr).next_back()?;
        (addr - start < level.entry_span()).then_some((start, level, leaf))
    }

    /// The lowest level that has a table for `addr`.
    fn depth(&self, addr: u64) -> Level {
        let has = |level: &Level| self.tables.contains(&(start(*level, addr), *level));
        Level::ROOT.all_below().find(has).unwrap_or(Level::ROOT)
    }

    /// All that a walk comes by, each entry before those of the table it leads to.
    fn listing(&self, from: u64, end: u64) -> Vec<(u64, Level, Option<Leaf>)> {
        let branches = self.tables.iter().map(|&(start, level)| {
            let above = Level::with_number(level.number() + 1);
            (start, above.expect("the root is not in the set"), None)
        });
        let leaves = self.leaves.iter();
        let leaves = leaves.map(|(&addr, &(level, leaf))| (addr, level, Some(leaf)));
        let mut all: Vec<_> = branches.chain(leaves).collect();
        all.retain(|&(addr, level, _)| addr + (level.entry_span() - 1) >= from && addr < end);
        all.sort_by_key(|&(addr, level, _)| (addr, std::cmp::Reverse(level)));
        all
    }
}

fn start(level: Level, addr: u64) -> u64 {
    addr & !(level.table_span() - 1)
}

#[derive(Clone, Debug)]
enum Op {
    Map(u64, Level, u32, Prot),
    Take(u64),
    Change(u64, Prot),
    Replace(u64, u32),
    Split(u64),
    /// Takes the branch to the table of this level out if that is empty.
    Prune(u64, Level),
}

fn level() -> impl Strategy<Value = Level> {
    (0..3_u32).prop_map(|number| Level::with_number(number).expect("three levels"))
}

/// Addresses that meet each other often, in both halves.
fn addr() -> impl Strategy<Value = u64> {
    let few = || prop::sample::select(vec![0_u64, 1, 2, 255, 511]);
    let root = prop::sample::select(vec![0_u64, 1, 256, 510]);
    (root, few(), few()).prop_map(|(root, middle, leaf)| {
        let sign = if root < 256 { 0 } else { u64::MAX << 39 };
        sign | root << 30 | middle << 21 | leaf << 12
    })
}

fn prot() -> impl Strategy<Value = Prot> {
    (0..8_u32).prop_map(Prot::from_bits_truncate)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (addr(), level(), 0..9_u32, prot()).prop_map(|(a, l, f, p)| Op::Map(a, l, f, p)),
        2 => addr().prop_map(Op::Take),
        2 => (addr(), prot()).prop_map(|(a, p)| Op::Change(a, p)),
        1 => (addr(), 0..9_u32).prop_map(|(a, f)| Op::Replace(a, f)),
        1 => addr().prop_map(Op::Split),
        2 => (addr(), level()).prop_map(|(a, l)| Op::Prune(a, l)),
    ]
}

/// A page of `level`, aligned as it must be.
fn page(level: Level, number: u32, prot: Prot) -> Leaf {
    Leaf::user(Pfn::new(number << (9 * level.number())), prot)
}

fn map(ram: &Ram, model: &mut Model, addr: u64, level: Level, leaf: Leaf) {
    let mut cursor = ram.at(addr);
    let missing = model.depth(addr);
    let blocked = model.leaf(addr).is_some_and(|(_, at, _)| at > level);
    let made = cursor.alloc_tables(level, || ram.frame());
    let expected = if blocked { missing } else { level };
    if made.is_ok() {
        assert_eq!(cursor.level(), expected, "room at {addr:#x}");
    }
    // Also those that were made before frames ended.
    for level in Level::ROOT.all_below() {
        if level >= cursor.level() {
            model.tables.insert((start(level, addr), level));
        }
    }
    if made.is_ok() && cursor.entry() == Entry::Empty {
        cursor.slot().set(Entry::Leaf(leaf));
        let begin = addr & !(cursor.level().entry_span() - 1);
        model.leaves.insert(begin, (cursor.level(), leaf));
    }
}

fn apply(ram: &Ram, model: &mut Model, op: Op) {
    let at = |addr| ram.at(addr).look_up(Level::LEAF);
    match op {
        Op::Map(addr, level, frame, prot) => map(ram, model, addr, level, page(level, frame, prot)),
        Op::Take(addr) => {
            let known = model.leaf(addr);
            let taken = at(addr).slot().take().leaf();
            assert_eq!(taken, known.map(|(_, _, leaf)| leaf), "taken at {addr:#x}");
            known.map(|(start, ..)| model.leaves.remove(&start));
        }
        Op::Change(addr, prot) => {
            let known = model.leaf(addr).map(|(_, _, leaf)| leaf);
            let expected = known.map(|leaf| (leaf, leaf.with_prot(prot)));
            let changed = at(addr).slot().change(|leaf| leaf.with_prot(prot));
            let differs = expected.filter(|(old, new)| old != new);
            assert_eq!(changed, differs, "changed at {addr:#x}");
            if let (Some((start, level, _)), Some((_, new))) = (model.leaf(addr), changed) {
                model.leaves.insert(start, (level, new));
            }
        }
        Op::Replace(addr, frame) => {
            if let Some((start, level, leaf)) = model.leaf(addr) {
                let new = page(level, frame, Prot::READ);
                let old = at(addr).slot().replace(Entry::Leaf(new));
                assert_eq!(old, Entry::Leaf(leaf), "replaced at {addr:#x}");
                model.leaves.insert(start, (level, new));
            }
        }
        Op::Split(addr) => split(ram, model, addr),
        Op::Prune(addr, level) => prune(ram, model, addr, level),
    }
}

fn split(ram: &Ram, model: &mut Model, addr: u64) {
    let known = model
        .leaf(addr)
        .filter(|(_, level, _)| *level > Level::LEAF);
    let Ok(table) = ram.frame() else { return };
    let split = ram.at(addr).look_up(Level::LEAF).split(table);
    assert_eq!(split, known.map(|(_, _, leaf)| leaf), "split at {addr:#x}");
    let Some((begin, level, leaf)) = known else {
        return;
    };
    let below = level.below().expect("a superpage");
    model.leaves.remove(&begin);
    model.tables.insert((begin, below));
    for n in 0..512 {
        let addr = begin + n * below.entry_span();
        let frame = leaf.pfn().plus((n * below.entry_span() / PAGE) as u32);
        let mut part = Leaf::user(frame, leaf.prot());
        if !leaf.is_writable() {
            part = part.write_protected();
        }
        model.leaves.insert(addr, (below, part));
    }
}

fn prune(ram: &Ram, model: &mut Model, addr: u64, level: Level) {
    let cursor = ram.at(addr).look_up(level);
    let Some(above) = Level::with_number(level.number() + 1) else {
        return;
    };
    let begin = start(level, addr);
    let last = begin + (level.table_span() - 1);
    let known = model.tables.contains(&(begin, level));
    assert_eq!(
        cursor.level() == level,
        known,
        "a table of {level:?} for {addr:#x}"
    );
    if !known {
        return;
    }
    let below = |&&(start, of): &&(u64, Level)| of < level && (begin..=last).contains(&start);
    let empty = model.leaves.range(begin..=last).next().is_none()
        && !model.tables.iter().any(|table| below(&table));
    let (table, said) = (cursor.table(), ram.is_empty(cursor.table(), level, addr));
    assert_eq!(
        said, empty,
        "whether the table of {level:?} for {addr:#x} is empty"
    );
    if empty {
        let branch = ram.at(addr).look_up(above).slot().take();
        assert_eq!(branch, Entry::Branch(table));
        model.tables.remove(&(begin, level));
    }
}

/// All entries by the primitives, as [`Model::listing`].
fn listing(ram: &Ram, from: u64, end: u64) -> Vec<(u64, Level, Option<Leaf>)> {
    let mut cursor = ram.at(from);
    let mut all = vec![];
    while cursor.addr() < end {
        let (level, entry) = (cursor.level(), cursor.entry());
        let begin = cursor.addr() & !(level.entry_span() - 1);
        if entry != Entry::Empty {
            all.push((begin, level, entry.leaf()));
        }
        if !cursor.enter() {
            cursor.advance();
        }
    }
    all
}

fn check(ram: &Ram, model: &Model, from: u64, end: u64) {
    let expected = model.listing(from, end);
    assert_eq!(listing(ram, from, end), expected, "{from:#x}..{end:#x}");
    for floor in [Level::LEAF, Level::SUPERPAGE] {
        let found = ram
            .at(from)
            .entries(floor, end)
            .map(|(entry, range)| (range, entry.leaf()));
        let entries = expected
            .iter()
            .filter(|(_, level, leaf)| *level >= floor && (leaf.is_some() || *level == floor));
        let entries = entries.map(|&(addr, level, leaf)| {
            let last = addr + (level.entry_span() - 1);
            (addr.max(from)..last.min(end - 1) + 1, leaf)
        });
        assert!(
            found.eq(entries),
            "entries down to {floor:?} in {from:#x}..{end:#x}"
        );
    }
    let known = model.leaf(from);
    let cursor: Cursor<_> = ram.at(from).look_up(Level::LEAF);
    assert_eq!(
        cursor.level(),
        known.map_or(model.depth(from), |(_, level, _)| level)
    );
    assert_eq!(cursor.entry().leaf(), known.map(|(_, _, leaf)| leaf));
    let frame = cursor
        .entry()
        .leaf()
        .map(|leaf| leaf.frame_at(cursor.level(), from));
    let expected =
        known.map(|(start, _, leaf)| Some(leaf.pfn().plus(((from - start) / PAGE) as u32)));
    assert_eq!(frame, expected, "the frame at {from:#x}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_tree_is_what_was_put_in(
        frames in 3..60_usize,
        ops in prop::collection::vec((op(), addr(), addr()), 1..40),
    ) {
        let ram = Ram::new(frames);
        let mut model = Model::default();
        for (op, a, b) in ops {
            apply(&ram, &mut model, op);
            check(&ram, &model, a.min(b), a.max(b).saturating_add(PAGE));
        }
        check(&ram, &model, 0, u64::MAX);
        assert!(ram.is_empty(ROOT, Level::ROOT, 0) == (model.listing(0, u64::MAX).is_empty()));
    }
}
