//! What each verb promises where no sequence of operations would come by often.

use crate::ram::{ROOT, Ram};
use abi::Prot;
use frames::Pfn;
use paging::{Entry, Leaf, Level, PAGE, SUPERPAGE, Tables};
use std::sync::atomic::Ordering::Relaxed;

const RW: Prot = Prot::READ.union(Prot::WRITE);

/// A superpage at 0 with frames from 512 on.
fn superpage(ram: &Ram) -> Leaf {
    let leaf = Leaf::user(Pfn::new(512), RW);
    let mut cursor = ram.at(0);
    cursor
        .alloc_tables(Level::SUPERPAGE, || ram.frame())
        .expect("frames");
    cursor.slot().set(Entry::Leaf(leaf));
    leaf
}

#[test]
fn a_bit_that_hardware_sets_in_between_is_not_lost() {
    let ram = Ram::new(8);
    let leaf = superpage(&ram);
    let cursor = ram.at(0).look_up(Level::SUPERPAGE);
    let word = &ram.table(cursor.table())[0];
    let software = 1 << 9;
    let mut calls = 0;
    let changed = cursor.slot().change(|leaf| {
        calls += 1;
        word.fetch_or(software, Relaxed);
        leaf.write_protected()
    });
    let (old, new) = changed.expect("it was writable");
    assert_eq!(calls, 2, "tried again with the bit");
    assert_eq!(Entry::Leaf(old).bits(), Entry::Leaf(leaf).bits() | software);
    assert_eq!(new, old.write_protected());
    assert_eq!(cursor.entry(), Entry::Leaf(new));
}

#[test]
fn nothing_to_change_is_told() {
    let ram = Ram::new(8);
    let leaf = superpage(&ram);
    let at = |addr| ram.at(addr).look_up(Level::LEAF);
    assert_eq!(at(0).slot().change(|leaf| leaf), None, "the same");
    assert_eq!(
        at(SUPERPAGE).slot().change(Leaf::write_protected),
        None,
        "empty"
    );
    let branch = ram.at(0);
    assert_eq!(
        branch.slot().change(Leaf::write_protected),
        None,
        "a branch"
    );
    assert_eq!(at(0).entry(), Entry::Leaf(leaf));
}

#[test]
fn room_ends_at_a_superpage() {
    let ram = Ram::new(8);
    let leaf = superpage(&ram);
    let mut cursor = ram.at(5 * PAGE);
    let made = cursor.alloc_tables(Level::LEAF, || Err("no frame is needed"));
    assert_eq!(made, Ok(()));
    assert_eq!(
        (cursor.level(), cursor.entry()),
        (Level::SUPERPAGE, Entry::Leaf(leaf))
    );
}

#[test]
fn only_what_was_split_is_joined() {
    let ram = Ram::new(8);
    let leaf = superpage(&ram);
    let table = ram.frame().expect("a frame");
    let cursor = ram.at(0).look_up(Level::SUPERPAGE);
    assert_eq!(cursor.split(table), Some(leaf));
    let spare = ram.frame().expect("a frame");
    assert_eq!(cursor.split(spare), None, "it is split");
    assert_eq!(ram.at(0).look_up(Level::LEAF).split(spare), None, "a page");
    for addr in (0..SUPERPAGE).step_by(PAGE as usize) {
        let page = ram.at(addr).look_up(Level::LEAF);
        assert_eq!(
            page.entry(),
            Entry::Leaf(leaf.page_at(Level::SUPERPAGE, addr)),
            "{addr:#x}"
        );
        assert_eq!(page.joined(), Some(leaf));
        let whole = page.slot().take();
        assert_eq!(page.joined(), None, "without {addr:#x}");
        let fewer = whole.leaf().map(Leaf::write_protected);
        page.slot().set(fewer.map_or(Entry::Empty, Entry::Leaf));
        assert_eq!(page.joined(), None, "fewer rights at {addr:#x}");
        page.slot().replace(whole);
    }
    // All in order, from a frame on that no superpage can begin at.
    for (n, slot) in (513..).zip(ram.all_slots(table, Level::LEAF)) {
        slot.init(Entry::Leaf(Leaf::user(Pfn::new(n), RW)));
    }
    assert_eq!(ram.at(0).look_up(Level::LEAF).joined(), None, "not aligned");
}

#[test]
fn the_last_page_of_all_is_one_like_others() {
    let ram = Ram::new(8);
    let last = u64::MAX - (PAGE - 1);
    let mut cursor = ram.at(last);
    cursor
        .alloc_tables(Level::LEAF, || ram.frame())
        .expect("frames");
    cursor
        .slot()
        .set(Entry::Leaf(Leaf::kernel(Pfn::new(77), RW)));
    assert_eq!(Level::ROOT.index(last), 511);
    let mut from = ram.at(last - SUPERPAGE);
    assert!(from.find(Level::LEAF, u64::MAX).is_some());
    assert_eq!((from.addr(), from.table()), (last, cursor.table()));
    from.advance();
    assert_eq!(
        from.find(Level::LEAF, u64::MAX),
        None,
        "nothing is behind it"
    );
    let range = last - PAGE..u64::MAX;
    let slots = ram.slots(cursor.table(), Level::LEAF, &range);
    let entries: Vec<_> = slots.map(|(addr, slot)| (addr, slot.get())).collect();
    assert_eq!(
        entries,
        [(last - PAGE, Entry::Empty), (last, cursor.entry())]
    );
}

#[test]
fn a_table_is_empty_when_its_last_entry_went() {
    let ram = Ram::new(8);
    for at in [0, 7, 511] {
        ram.table(ROOT)[at].store(1, Relaxed);
        for near in [0, 6, 7, 8, 511] {
            let near = near << 30;
            assert!(
                !ram.is_empty(ROOT, Level::ROOT, near),
                "entry {at} is there"
            );
        }
        ram.table(ROOT)[at].store(0, Relaxed);
        assert!(ram.is_empty(ROOT, Level::ROOT, 9 << 30), "entry {at} went");
    }
}
