//! Every form of an entry, read from the privileged specification (chapter "Supervisor-Level ISA",
//! Sv32/Sv39 translation) without a look at the crate's module for the same format.

use crate::ram::{ROOT, Ram};
use abi::Prot;
use frames::Pfn;
use paging::{Entry, Leaf, Level, Tables};
use std::sync::atomic::Ordering::Relaxed;

const LEVELS: [Level; 3] = [Level::LEAF, Level::SUPERPAGE, Level::ROOT];

/// What an entry is for a walker that is at `level` in user mode.
#[derive(Debug, PartialEq)]
enum Meaning {
    Fault,
    Next(u64),
    Page(u64, Prot),
}

/// Steps 3 to 9 of the translation of an address, for an access that "accessed" and "dirty" are set
/// for by software.
fn by_the_book(entry: u64, level: u32) -> Meaning {
    let bit = |n: u32| entry >> n & 1 == 1;
    let (v, r, w, x, u, a, d) = (bit(0), bit(1), bit(2), bit(3), bit(4), bit(6), bit(7));
    let number = entry >> 10 & ((1 << 44) - 1);
    if !v || !r && w || entry >> 54 != 0 {
        return Meaning::Fault;
    }
    if !r && !x {
        // U, A and D are reserved in a pointer; no table of user pages is global.
        return match level > 0 && !u && !a && !d && !bit(5) {
            true => Meaning::Next(number),
            false => Meaning::Fault,
        };
    }
    if !u || !a || !number.is_multiple_of(1 << (9 * level)) {
        return Meaning::Fault;
    }
    let mut prot = Prot::empty();
    prot.set(Prot::READ, r);
    prot.set(Prot::WRITE, w && d);
    prot.set(Prot::EXEC, x);
    Meaning::Page(number, prot)
}

fn by_the_crate(entry: Entry, level: Level) -> Meaning {
    match entry {
        Entry::Empty => Meaning::Fault,
        Entry::Branch(table) => Meaning::Next(table.get().into()),
        Entry::Leaf(leaf) => match leaf.frame_at(level, 0) {
            Some(pfn) if !leaf.prot().is_empty() => Meaning::Page(pfn.get().into(), leaf.prot()),
            _ => Meaning::Fault,
        },
    }
}

#[test]
fn both_readings_of_every_entry_agree() {
    let ram = Ram::new(1);
    let mut pages = 0;
    for level in LEVELS {
        let numbers = [0, 1, 511, 512, 513, 1 << 18, (1 << 18) + 512, (1 << 32) - 1];
        for number in numbers {
            for high in [0].into_iter().chain((54..64).map(|bit| 1 << bit)) {
                for low in 0..1024 {
                    let bits = high | number << 10 | low;
                    ram.table(ROOT)[0].store(bits, Relaxed);
                    let slot = ram.all_slots(ROOT, level).next().expect("512 of them");
                    let (said, found) = (by_the_book(bits, level.number()), slot.get());
                    assert_eq!(by_the_crate(found, level), said, "{bits:#x} at {level:?}");
                    assert_eq!(
                        found.bits() & !0x300,
                        bits & !0x300,
                        "{found:?} again as bits"
                    );
                    pages += usize::from(matches!(said, Meaning::Page(..)));
                }
            }
        }
    }
    // V, U and A set; R or X, W only with R; D, G and the software's two bits as they like. Of the
    // numbers above 8 are aligned for a page, 4 for 2 MiB, and 2 for 1 GiB.
    assert_eq!(pages, (8 + 4 + 2) * 5 * 16, "entries that are pages");
}

/// What programs read of a listing is what the crate wrote.
#[test]
fn a_record_of_a_listing_says_what_the_entry_does() {
    let addr = (3 << 30) + (4 << 21) + (5 << 12);
    for level in LEVELS {
        let pfn = Pfn::new(0x8_1200);
        for entry in [Entry::Branch(pfn), Entry::Leaf(Leaf::user(pfn, Prot::READ))] {
            let record = abi::TableEntry {
                place: addr | u64::from(level.number()),
                bits: entry.bits(),
            };
            assert_eq!(record.physical(), pfn.addr(), "{entry:?}");
            assert_eq!(record.index() as usize, level.index(addr), "at {level:?}");
        }
    }
}

#[test]
fn a_page_has_the_rights_that_it_was_made_with() {
    let pfn = Pfn::new(0x8_1234);
    for bits in 0..8 {
        let prot = Prot::from_bits_truncate(bits);
        let user = Leaf::user(pfn, prot);
        // The format cannot write what it cannot read.
        let readable = prot.intersects(Prot::READ | Prot::WRITE);
        let mut expected = prot;
        expected.set(Prot::READ, readable);
        assert_eq!((user.pfn(), user.prot()), (pfn, expected), "{prot:?}");
        assert_eq!(user.is_writable(), prot.contains(Prot::WRITE), "{prot:?}");
        assert_eq!(user.write_protected().prot(), expected - Prot::WRITE);
        let kernel = Leaf::kernel(pfn, prot);
        let program = kernel.prot();
        assert_eq!(
            (kernel.pfn(), program),
            (pfn, Prot::empty()),
            "not a program's"
        );
        for other in (0..8).map(Prot::from_bits_truncate) {
            let changed = user.with_prot(other);
            let gained = if user.is_writable() {
                other
            } else {
                other - Prot::WRITE
            };
            assert_eq!(changed, Leaf::user(pfn, gained), "{prot:?} to {other:?}");
        }
    }
}

#[test]
fn the_levels_are_those_of_the_format() {
    assert_eq!(
        (paging::LEVELS, paging::ADDRESS_BITS, paging::ENTRIES),
        (3, 39, 512)
    );
    let spans = LEVELS.map(Level::entry_span);
    assert_eq!(spans, [4 << 10, 2 << 20, 1 << 30]);
    assert!(Level::ROOT.all_below().eq([Level::LEAF, Level::SUPERPAGE]));
    assert_eq!(Level::with_number(3), None);
    let addr = 0xffff_ffc0_0000_0000_u64 + (3 << 30) + (4 << 21) + (5 << 12) + 6;
    assert_eq!(LEVELS.map(|level| level.index(addr)), [5, 4, 256 + 3]);
    let around = Level::LEAF.table_around(addr);
    assert_eq!(
        (addr - around.start, around.end - around.start),
        (0x5006, 2 << 20)
    );
}
