//! Both sides of a fork have their own data, whoever writes first.

use crate::pages::Pages;
use abi::PAGE_SIZE;
use harness::{Expect, Gate, Kid, Outcome, Stay, Test, ends_with, peek, poke};
use harness::{expect_eq, tests};
use ulib::fs::{self, File};
use ulib::sys;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "simple" = simple,
    "three" = three,
    "stack" = stack,
    "data" = data,
    "sbrk-after-fork" = sbrk_after_fork,
    "every-page-another-way" = every_page;
    slow:;
};

fn simple() -> Outcome {
    let pages = Pages::new(100)?;
    pages.fill(1);
    let child = Kid::start(|| {
        let before = pages.status(1);
        pages.fill(2);
        before + pages.status(2)
    })?;
    child.ends_with(0, "a copy")?;
    pages.holds(1, "the parent's")?;
    pages.fill(3);
    pages.holds(3, "the parent's new")
}

/// Parent, child and grandchild write all pages concurrently.
fn three() -> Outcome {
    let pages = Pages::new(200)?;
    pages.fill(1);
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        let Ok(grandchild) = Kid::start(|| {
            gate.pass();
            let before = pages.status(1);
            pages.fill(3);
            before + pages.status(3)
        }) else {
            return 9;
        };
        gate.pass();
        let before = pages.status(1);
        pages.fill(2);
        let ended = grandchild.ends_with(0, "the grandchild");
        before + pages.status(2) + i32::from(ended.is_err())
    })?;
    gate.open();
    pages.fill(4);
    child.ends_with(0, "the child")?;
    pages.holds(4, "the parent's")
}

fn stack() -> Outcome {
    let mut local = [1_u8; 3 * PAGE_SIZE];
    let place = local.as_mut_ptr();
    let sum = || {
        (0..3 * PAGE_SIZE)
            .map(|i| u64::from(peek(place as usize + i)))
            .sum::<u64>()
    };
    ends_with(0, "writing to its stack", || {
        for i in 0..3 * PAGE_SIZE {
            // SAFETY: the array is the child's own copy, looked at through `peek` alone.
            unsafe { poke(place as usize + i, 2) };
        }
        i32::from(sum() != 6 * PAGE_SIZE as u64)
    })?;
    expect_eq!(
        sum(),
        3 * PAGE_SIZE as u64,
        "the sum over the parent's stack"
    );
    Ok(())
}

fn data() -> Outcome {
    use core::sync::atomic::{AtomicU32, Ordering};
    static DATA: AtomicU32 = AtomicU32::new(11);
    static ZEROED: AtomicU32 = AtomicU32::new(0);
    let both = || [&DATA, &ZEROED].map(|word| word.load(Ordering::Relaxed));
    ends_with(0, "writing to its data", || {
        DATA.store(22, Ordering::Relaxed);
        ZEROED.store(33, Ordering::Relaxed);
        i32::from(both() != [22, 33])
    })?;
    expect_eq!(both(), [11, 0], "the parent's data");
    Ok(())
}

/// Shrinking or growing the heap after a fork affects one side only.
fn sbrk_after_fork() -> Outcome {
    let pages = Pages::new(100)?;
    pages.fill(1);
    ends_with(0, "giving back half of the heap", || {
        // SAFETY: nothing was allocated since, and the upper half is not used here any more.
        let old = unsafe { sys::sbrk(-((50 * PAGE_SIZE) as isize)) };
        // SAFETY: growing takes nothing away.
        let again = unsafe { sys::sbrk((50 * PAGE_SIZE) as isize) };
        let ends = old as usize == pages.at(100) && again as usize == pages.at(50);
        i32::from(!ends) + pages.part(0, 50).status(1) + pages.part(50, 50).status(0)
    })?;
    pages.holds(1, "the parent's")
}

/// Of each eight pages, one each is: written by the child, by the parent, by both, by a call of the
/// child's, read by both, discarded by the child, written before the child exits and by the parent
/// afterwards, and untouched.
fn every_page() -> Outcome {
    const PAGES: usize = 64;
    let pages = Pages::new(PAGES)?;
    pages.fill(1);
    fs::write("file", [3; 100]).or_fail("write a file")?;
    let child = Stay::start(|| {
        let mut wrong = 0;
        for page in 0..PAGES {
            let one = pages.part(page, 1);
            match page % 8 {
                0 | 2 | 6 => one.fill(2),
                3 => {
                    let Ok(file) = File::open("file") else {
                        return 50;
                    };
                    // SAFETY: the page is ours.
                    let n = unsafe { sys::read(file.as_raw_fd(), one.base as *mut u8, 100) };
                    wrong += i32::from(n != 100 || peek(one.base) != 3);
                }
                5 => {
                    let advice = abi::Advice::DontNeed as u32;
                    // SAFETY: the page is ours, and nothing in it is used.
                    let answer = unsafe { sys::madvise(one.base, PAGE_SIZE, advice) };
                    wrong += i32::from(answer != 0) + one.status(0);
                }
                _ => wrong += one.status(1),
            }
        }
        for page in (0..PAGES).step_by(8) {
            wrong += pages.part(page, 1).status(2) + pages.part(page + 2, 1).status(2);
        }
        wrong
    })?;
    for page in 0..PAGES {
        let one = pages.part(page, 1);
        one.holds(1, "the parent's")?;
        if matches!(page % 8, 1 | 2) {
            one.fill(4);
        }
    }
    child.end("a child that stays")?;
    for page in 0..PAGES {
        let one = pages.part(page, 1);
        match page % 8 {
            1 | 2 => one.holds(4, "the parent's written")?,
            6 => {
                one.holds(1, "the parent's")?;
                one.fill(5);
                one.holds(5, "the parent's later")?;
            }
            _ => one.holds(1, "the parent's untouched")?,
        }
    }
    Ok(())
}
