//! The list of regions, with records of any size.

use crate::ask::region;
use abi::{PAGE_SIZE, Prot, RegionInfo, RegionUse};
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::mem::{self, Mapping};
use ulib::{fs, inspect, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "kinds" = kinds,
    "strides" = strides;
    slow:
    "many-regions" = many_regions;
};

fn kinds() -> Outcome {
    let memory = Mapping::anonymous(PAGE_SIZE).or_fail("map memory")?;
    let file = fs::metadata("/infotest").or_fail("stat the program")?;
    let pid = sys::getpid() as i32;
    let local = 0;
    for (what, address, kind, prot) in [
        (
            "code",
            kinds as *const () as usize,
            RegionUse::Text,
            Prot::READ | Prot::EXEC,
        ),
        (
            "a constant",
            TESTS.as_ptr() as usize,
            RegionUse::Text,
            Prot::READ,
        ),
        (
            "a local",
            &raw const local as usize,
            RegionUse::Stack,
            Prot::READ | Prot::WRITE,
        ),
        (
            "a mapping",
            memory.as_ptr() as usize,
            RegionUse::Private,
            Prot::READ | Prot::WRITE,
        ),
        (
            "the heap",
            vec![1u8].as_ptr() as usize,
            RegionUse::Heap,
            Prot::READ | Prot::WRITE,
        ),
    ] {
        let seen = region(pid, address)?;
        expect_eq!(seen.kind, kind as u32, "kind of the region of {what}");
        expect_eq!(seen.prot, prot.bits(), "protection of the region of {what}");
        let from_file = kind == RegionUse::Text;
        expect_eq!(
            seen.inode,
            if from_file { file.stat().ino } else { 0 },
            "inode of the region of {what}"
        );
    }
    let mut end = 0;
    for seen in inspect::regions(pid).or_fail("list regions")? {
        expect!(
            end <= seen.start && seen.start < seen.end,
            "regions in order, saw {:#x} after {end:#x}",
            seen.start
        );
        end = seen.end;
    }
    Ok(())
}

/// Regions with records shorter and longer than the kernel's.
fn strides() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut whole = [RegionInfo::default(); 32];
    let size = size_of::<RegionInfo>();
    // SAFETY: the buffer is ours.
    let count = unsafe { sys::regions(pid, 0, whole.as_mut_ptr(), whole.len(), size) };
    expect!((4..32).contains(&count), "some regions, saw {count}");
    for words in [2, size / 8, size / 8 + 3] {
        let mut other = vec![u64::MAX; words * 32];
        // SAFETY: as above.
        let seen = unsafe { sys::regions(pid, 0, other.as_mut_ptr().cast(), 32, words * 8) };
        expect_eq!(seen, count, "regions with records of {words} words");
        for (n, (record, region)) in other.chunks(words).zip(&whole).enumerate() {
            let known = n < count as usize;
            let expected = if known {
                [region.start, region.end]
            } else {
                [u64::MAX; 2]
            };
            expect_eq!(
                [record[0], record[1]],
                expected,
                "record {n} of {words} words"
            );
            let behind = record.iter().skip(size / 8);
            expect!(
                behind.clone().all(|&word| word == u64::MAX),
                "nothing after record {n}, saw {behind:x?}"
            );
        }
    }
    Ok(())
}

fn many_regions() -> Outcome {
    const COUNT: usize = 1000;
    let memory = Mapping::anonymous(2 * COUNT * PAGE_SIZE).or_fail("map memory")?;
    let base = memory.as_ptr() as usize;
    for n in 0..COUNT {
        let page = (base + 2 * n * PAGE_SIZE) as *mut u8;
        // SAFETY: nobody uses the memory.
        unsafe { mem::mprotect(page, PAGE_SIZE, Prot::READ) }.or_fail("protect a page")?;
    }
    let pid = sys::getpid() as i32;
    let listed = inspect::regions(pid).or_fail("list regions")?;
    let parts = listed.filter(|region| region.start >= base as u64);
    expect_eq!(parts.count(), 2 * COUNT, "regions of the mapping");
    Ok(())
}
