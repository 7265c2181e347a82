//! Memory after `fork`: copy on write.

use abi::PAGE_SIZE;
use harness::{Expect, Gate, Kid, Outcome, Test, available, ends_with, grow_touched, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::process;
use ulib::vec::Vec;
use ulib::{sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "fork-memory-apart" = apart,
    "fork-shares-pages" = shares_pages,
    "fork-of-fork" = of_fork,
    "copy-on-write-many" = many,
    "copy-on-write-in-calls" = in_calls,
    "copy-on-write-last-owner" = last_owner,
    "fork-stack-apart" = stack_apart;
    slow:;
};

fn apart() -> Outcome {
    let base = grow_touched(4)?;
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        let old = (0..4).all(|page| peek(base + page * PAGE_SIZE) == 1);
        for page in 0..4 {
            // SAFETY: the memory is ours.
            unsafe { poke(base + page * PAGE_SIZE, 2) };
        }
        i32::from(!old)
    })?;
    for page in 0..2 {
        // SAFETY: the memory is ours.
        unsafe { poke(base + page * PAGE_SIZE, 3) };
    }
    gate.open();
    child.ends_with(0, "memory as it was at fork")?;
    for (page, expected) in [3, 3, 1, 1].into_iter().enumerate() {
        expect_eq!(
            peek(base + page * PAGE_SIZE),
            expected,
            "the parent's byte of page {page}"
        );
    }
    Ok(())
}

fn shares_pages() -> Outcome {
    const PAGES: u64 = 1000;
    grow_touched(PAGES as usize)?;
    let before = available()?;
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..5)
        .map(|_| {
            Kid::start(|| {
                gate.pass();
                0
            })
        })
        .collect::<Result<_, _>>()?;
    let after = available()?;
    expect!(
        before - after.min(before) < PAGES,
        "five forks to take less than {PAGES} pages, saw {before} before and {after} after"
    );
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "sharing memory"))
}

/// Each generation changes a byte before it forks the next.
fn of_fork() -> Outcome {
    fn generation(at: usize, number: u8) -> bool {
        if peek(at) != number {
            return false;
        }
        if number == 8 {
            return true;
        }
        let child = Kid::start(|| {
            // SAFETY: the callers pass memory of ours.
            unsafe { poke(at, number + 1) };
            i32::from(!generation(at, number + 1))
        });
        child.is_ok_and(|child| child.ends_with(0, "a generation").is_ok()) && peek(at) == number
    }
    let base = grow_touched(1)?;
    expect!(generation(base, 1), "each generation to see its own byte");
    Ok(())
}

fn many() -> Outcome {
    const PAGES: usize = 256;
    let base = grow_touched(PAGES)?;
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..8)
        .map(|number| {
            Kid::start(|| {
                gate.pass();
                let at = |page| base + page * PAGE_SIZE;
                for page in (number..PAGES).step_by(3) {
                    // SAFETY: the memory is ours.
                    unsafe { poke(at(page), 10 + number as u8) };
                }
                let good = (0..PAGES).all(|page| {
                    let written = page >= number && (page - number) % 3 == 0;
                    peek(at(page)) == if written { 10 + number as u8 } else { 1 }
                });
                i32::from(!good)
            })
        })
        .collect::<Result<_, _>>()?;
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "its own bytes"))?;
    for page in 0..PAGES {
        expect_eq!(
            peek(base + page * PAGE_SIZE),
            1,
            "the parent's byte of page {page}"
        );
    }
    Ok(())
}

/// Writes by the kernel copy too.
fn in_calls() -> Outcome {
    fs::write("file", vec![b'k'; 3 * PAGE_SIZE]).or_fail("write a file")?;
    let base = grow_touched(8)?;
    ends_with(0, "calls into shared pages", || {
        let Ok(file) = File::open("file") else {
            return 1;
        };
        let page = |i: usize| base + i * PAGE_SIZE;
        // SAFETY: the memory is ours.
        let answers = unsafe {
            [
                sys::read(file.as_raw_fd(), page(0) as *mut u8, 3 * PAGE_SIZE),
                sys::pipe(page(3) as *mut [i32; 2]),
                sys::fstat(file.as_raw_fd(), page(4) as *mut abi::Stat),
                sys::meminfo(page(5) as *mut abi::MemInfo, 100, 0),
            ]
        };
        let forked = process::fork_with(|| 77).is_ok();
        // SAFETY: the memory is ours.
        let waited = unsafe { sys::wait(page(6) as *mut i32) };
        let good = answers.iter().all(|&answer| answer >= 0) && forked && waited > 0;
        i32::from(!good || peek(page(2)) != b'k' || peek(page(6)) != 77)
    })?;
    for page in 0..8 {
        expect_eq!(
            peek(base + page * PAGE_SIZE),
            1,
            "the parent's byte of page {page}"
        );
    }
    Ok(())
}

/// The last owner writes without a copy.
fn last_owner() -> Outcome {
    const PAGES: usize = 500;
    let base = grow_touched(PAGES)?;
    ends_with(0, "sharing and ending", || 0)?;
    let before = available()?;
    for page in 0..PAGES {
        // SAFETY: the memory is ours.
        unsafe { poke(base + page * PAGE_SIZE, 4) };
    }
    let after = available()?;
    expect!(
        after + 8 >= before,
        "no pages taken, saw {before} before and {after} after"
    );
    Ok(())
}

fn stack_apart() -> Outcome {
    let mut local = [1_u64; 64];
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        i32::from(core::hint::black_box(&local).iter().sum::<u64>() != 64)
    })?;
    core::hint::black_box(&mut local).fill(2);
    gate.open();
    child.ends_with(0, "its own stack")
}
