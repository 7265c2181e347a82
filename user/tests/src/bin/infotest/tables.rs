//! The list of page-table entries: whole, in pieces, and from any place.

use crate::ask::{own, region, touch};
use abi::{PAGE_SIZE, RegionInfo, TableEntry};
use harness::random::Random;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::mem::Mapping;
use ulib::vec::Vec;
use ulib::{inspect, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "pieces" = pieces,
    "page-table" = page_table,
    "any-place" = any_place;
    slow:;
};

/// A listing is the same in pieces of any size.
fn pieces() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut memory = Mapping::anonymous(30 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 25);
    let mut whole = Vec::new();
    for _ in 0..3 {
        // Repeat, so that the list's memory is allocated before the last time.
        whole.clear();
        whole.extend(inspect::page_table(pid).or_fail("list")?);
    }
    for most in [1, 3, 8, 9] {
        let mut after = TableEntry::START;
        let mut seen = 0;
        loop {
            let mut piece = [TableEntry::default(); 9];
            // SAFETY: the buffer is ours.
            let count = unsafe { sys::pagetable(pid, after as usize, piece.as_mut_ptr(), most) };
            expect!((0..=most as isize).contains(&count), "entries, saw {count}");
            for entry in &piece[..count as usize] {
                let same = whole
                    .get(seen)
                    .is_some_and(|other| other.place == entry.place);
                expect!(
                    same,
                    "entry {seen} in pieces of {most} as in the whole list, saw {entry:x?}"
                );
                (after, seen) = (entry.place, seen + 1);
            }
            if count < most as isize {
                break;
            }
        }
        expect_eq!(seen, whole.len(), "entries in pieces of {most}");
    }
    Ok(())
}

fn page_table() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut memory = Mapping::anonymous(600 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 580);
    let mut found = Vec::with_capacity(2000);
    let mut info = own()?;
    for _ in 0..2 {
        // Twice, because pages of the program itself come in the first time.
        found.clear();
        found.extend(inspect::page_table(pid).or_fail("list")?);
        info = own()?;
    }
    let [mut tables, mut pages] = [1, 0];
    for entry in &found {
        match (entry.level(), entry.bits & 0b1111) {
            (TableEntry::ROOT, _) => expect_eq!(entry.place, 3, "place of the root"),
            (_, 1) => tables += 1,
            (level, _) => {
                pages += 1 << (9 * level);
                region(pid, entry.address() as usize)?;
            }
        }
        expect!(
            entry.bits & 1 == 0 || entry.physical() >= 1 << 31,
            "an address in RAM, saw {entry:x?}"
        );
    }
    expect_eq!(
        found[0].level(),
        TableEntry::ROOT,
        "level of the first record"
    );
    expect_eq!(tables, info.page_tables, "page-table pages");
    expect_eq!(pages, info.resident + info.zero, "pages in the page table");
    let addresses = found[1..].iter().map(|entry| entry.address());
    expect!(addresses.is_sorted(), "entries in order of address");
    Ok(())
}

/// A listing from any place makes progress.
fn any_place() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut random = Random::new(5);
    for _ in 0..2000 {
        let shift = random.below(64);
        let place = random.number() >> shift;
        let mut entry = TableEntry::default();
        let mut region = RegionInfo::default();
        // SAFETY: the buffers are ours.
        let seen = unsafe {
            [
                sys::pagetable(pid, place as usize, &mut entry, 1),
                sys::regions(pid, place as usize, &mut region, 1, size_of::<RegionInfo>()),
            ]
        };
        expect!(
            seen.iter().all(|count| (0..=1).contains(count)),
            "0 or 1 record from {place:#x}, saw {seen:?}"
        );
        expect!(
            seen[1] == 0 || region.end > place,
            "a region that ends above {place:#x}, saw {region:x?}"
        );
        let spanned = 1u64 << (12 + 9 * (place as u32 & 7).min(2));
        expect!(
            seen[0] == 0 || place & 7 > 2 || entry.address() >= place & !(spanned - 1),
            "an entry after {place:#x}, saw {entry:x?}"
        );
    }
    Ok(())
}
