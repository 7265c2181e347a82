//! A process that takes all memory, in each possible way.

use crate::witness::Witness;
use abi::{Advice, MapFlags, PAGE_SIZE, Prot};
use harness::{
    Expect, Gate, Kid, Outcome, Tally, Test, available, dies, ends_with, fill, grow_touched, map,
    peek, taken_since,
};
use harness::{expect, expect_eq, tests};
use ulib::io::{Read, Write};
use ulib::process::Command;
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{process, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "hog-of-heap" = heap,
    "hog-of-copies" = copies,
    "hog-of-mappings" = mappings,
    "hog-of-shared-memory" = shared,
    "hog-of-shared-memory-forgotten" = shared_forgotten,
    "hog-of-page-tables" = page_tables,
    "hog-of-kmalloc" = kmalloc,
    "hog-of-pipes" = pipes,
    "hog-of-regions" = regions,
    "hog-of-files" = files,
    "hog-in-a-call" = in_a_call,
    "hog-beside-a-shell" = beside_a_shell,
    "hogs-several" = several,
    "hogs-one-after-the-other" = one_after_the_other;
    slow:;
};

/// Runs a hog, which must be killed, beside a witness.
fn is_killed(what: &str, hog: impl FnOnce()) -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    dies(what, hog)?;
    witness.speak()?;
    all_back(before)
}

/// Runs a hog that takes kernel memory until the calls fail, and stays. Then a small process
/// touches its committed memory: only the hog may be killed for it.
fn holds_all(what: &str, mut take: impl FnMut() -> bool) -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    let gate = Gate::new()?;
    let small = Kid::start(|| {
        let Some(base) = map(SMALL, MapFlags::PRIVATE) else {
            return 1;
        };
        gate.pass();
        touch(base, SMALL);
        0
    })?;
    let tally = Tally::new()?;
    let hog = Kid::start(|| {
        gate.leave();
        while take() {}
        tally.report(1);
        loop {
            sys::sleep(10);
        }
    })?;
    // No report: it was killed at its first touch of a page of its own.
    let _ = tally.listen().hear();
    gate.open();
    small.ends_with(0, "one who touches little beside a hog")?;
    // It survives if a limit stopped it before memory ran out.
    let _ = process::kill(hog.id());
    hog.ends_with(abi::KILLED, what)?;
    witness.speak()?;
    all_back(before)
}

/// Pages that the small process touches.
const SMALL: usize = 256;
/// Tolerance for first touches by the test's own process.
const SLACK: i64 = 40;

/// Checks that `before` pages are available again.
pub(crate) fn all_back(before: u64) -> Outcome {
    let taken = taken_since(before)?;
    expect!(
        taken < SLACK,
        "all of {before} pages back, saw {taken} taken"
    );
    Ok(())
}

fn touch(base: usize, pages: usize) {
    // SAFETY: the callers' own memory.
    unsafe { fill(base, pages, 1) };
}

/// Allocation step.
const PIECE: usize = 256;

fn heap() -> Outcome {
    is_killed("touching all of the heap", || {
        while grow_touched(PIECE).is_ok() {}
    })
}

fn mappings() -> Outcome {
    is_killed("touching mappings", || {
        while let Some(base) = map(PIECE, MapFlags::PRIVATE) {
            touch(base, PIECE);
        }
    })
}

/// A child that writes to all of its parent's pages is killed, the parent is not.
fn copies() -> Outcome {
    let witness = Witness::start()?;
    let pages = available()? as usize * 6 / 10;
    let base = map(pages, MapFlags::PRIVATE).ok_or("expected a mapping, saw -1")?;
    touch(base, pages);
    dies("copying all of its parent's pages", || {
        // SAFETY: the child's own memory.
        unsafe { fill(base, pages, 2) };
    })?;
    for page in 0..pages {
        let seen = peek(base + page * PAGE_SIZE);
        expect_eq!(seen, 1, "the parent's byte of page {page}");
    }
    witness.speak()
}

fn shared() -> Outcome {
    is_killed("touching shared memory", || {
        while let Some(base) = map(PIECE, MapFlags::SHARED) {
            touch(base, PIECE);
        }
    })
}

/// DONTNEED does not free shared memory, even of its only owner.
fn shared_forgotten() -> Outcome {
    is_killed("touching and forgetting shared memory", || {
        while let Some(base) = map(PIECE, MapFlags::SHARED) {
            touch(base, PIECE);
            let advice = Advice::DontNeed as u32;
            // SAFETY: nobody uses the pages.
            unsafe { sys::madvise(base, PIECE * PAGE_SIZE, advice) };
        }
    })
}

/// Reading a page in each 2 MiB takes only page tables.
fn page_tables() -> Outcome {
    is_killed("reading a byte in each 2 MiB", || {
        let pages = (1 << 30) / PAGE_SIZE;
        while let Some(base) = map(pages, MapFlags::PRIVATE) {
            for page in (0..pages).step_by(512) {
                peek(base + page * PAGE_SIZE);
            }
        }
    })
}

/// Runs a hog that takes little at a time while other processes hold most of memory, each less than
/// the hog.
fn among_others(hog: impl FnOnce() -> Outcome) -> Outcome {
    const OTHERS: usize = 40;
    let share = available()? as usize / (OTHERS + 3);
    let others: Vec<Witness> = (0..OTHERS)
        .map(|_| Witness::holding(share))
        .collect::<Result<_, String>>()?;
    hog()?;
    others.into_iter().rev().try_for_each(Witness::speak)
}

/// Alternating protections take a region record for each page.
fn regions() -> Outcome {
    let mut next = 0;
    let mut end = 0;
    let cut = || {
        if next >= end {
            let pages = 1 << 20;
            let Some(base) = map(pages, MapFlags::PRIVATE) else {
                return false;
            };
            (next, end) = (base, base + pages * PAGE_SIZE);
        }
        // SAFETY: nobody uses the page.
        let answer = unsafe { sys::mprotect(next, PAGE_SIZE, Prot::READ.bits()) };
        next += 2 * PAGE_SIZE;
        answer == 0
    };
    among_others(|| holds_all("cutting mappings into regions", cut))
}

fn kmalloc() -> Outcome {
    holds_all("allocating kernel objects", || sys::kmalloc(4096) != -1)
}

/// Pipes with data in each.
fn pipes() -> Outcome {
    let bytes = [1_u8; 512];
    holds_all("creating pipes", || {
        let mut ends = [0; 2];
        // SAFETY: `ends` is ours.
        unsafe { sys::pipe(&mut ends) == 0 && sys::write(ends[1], bytes.as_ptr(), 512) == 512 }
    })
}

/// Opens the same directory repeatedly.
fn files() -> Outcome {
    let open = || sys::open(c"/".as_ptr().cast(), 0) != -1;
    among_others(|| holds_all("opening a directory", open))
}

/// `read` into memory that cannot be allocated returns -1.
fn in_a_call() -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    ends_with(0, "reading into all memory", || {
        let Ok((from, to)) = process::pipe() else {
            return 1;
        };
        let bytes = [1_u8; 64];
        let pages = (1 << 30) / PAGE_SIZE;
        let mut base = 0;
        // First a little, so that this process has touched all that it needs.
        for pages in [4, pages] {
            base = match map(pages, MapFlags::PRIVATE) {
                Some(base) => base,
                None => return 2,
            };
            let mut page = 0;
            loop {
                if sys::write(to.as_raw_fd(), bytes.as_ptr(), 64) != 64 {
                    return 3;
                }
                let at = (base + page * PAGE_SIZE) as *mut u8;
                // SAFETY: the mapping is ours.
                if page == pages || unsafe { sys::read(from.as_raw_fd(), at, 64) } != 64 {
                    break;
                }
                page += 1;
            }
            // SAFETY: nobody uses the mapping.
            if unsafe { sys::munmap(base, pages * PAGE_SIZE) } != 0 {
                return 4;
            }
        }
        i32::from(base == 0)
    })?;
    witness.speak()?;
    all_back(before)
}

/// A shell survives the hog and can run programs.
fn beside_a_shell() -> Outcome {
    let mut shell = Command::new("/sh")
        .stdin(process::Stdio::piped())
        .stdout(process::Stdio::piped())
        .spawn()
        .or_fail("start a shell")?;
    for round in 0..3 {
        dies("touching all memory beside a shell", || {
            while grow_touched(PIECE).is_ok() {}
        })?;
        let stdin = shell.stdin.as_mut().ok_or("expected a pipe, saw none")?;
        stdin.write_all(b"echo alive\n").or_fail("type a line")?;
        let stdout = shell.stdout.as_mut().ok_or("expected a pipe, saw none")?;
        let mut seen = Vec::new();
        while !seen.ends_with(b"alive\n") {
            let mut byte = [0];
            stdout
                .read_exact(&mut byte)
                .or_fail(ulib::format!("read from the shell in round {round}"))?;
            seen.push(byte[0]);
        }
    }
    let status = shell.wait().or_fail("wait for the shell")?;
    expect_eq!(status.code(), 0, "status of the shell");
    Ok(())
}

/// Four concurrent hogs of different kinds.
/// Maps and touches memory. A mapping that is refused, as others have all memory at the moment, is tried again.
fn map_for_ever(kind: MapFlags) {
    loop {
        if let Some(base) = map(PIECE, kind) {
            touch(base, PIECE);
        }
    }
}

fn several() -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    let ways: [fn(); 4] = [
        || while grow_touched(PIECE).is_ok() {},
        || map_for_ever(MapFlags::PRIVATE),
        || map_for_ever(MapFlags::SHARED),
        || {
            while sys::kmalloc(4096) != -1 {}
            while grow_touched(PIECE).is_ok() {}
        },
    ];
    let hogs: Vec<Kid> = ways
        .into_iter()
        .map(|way| {
            Kid::start(|| {
                way();
                0
            })
        })
        .collect::<Result<_, String>>()?;
    for hog in hogs {
        hog.ends_with(abi::KILLED, "one of several hogs")?;
    }
    witness.speak()?;
    all_back(before)
}

fn one_after_the_other() -> Outcome {
    for _ in 0..3 {
        heap()?;
    }
    Ok(())
}
