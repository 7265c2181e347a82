//! One process that takes all memory, in each way there is.

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

/// Runs a hog to its end, which must be the kernel's doing, with a witness beside it.
fn is_killed(what: &str, hog: impl FnOnce()) -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    dies(what, hog)?;
    witness.speak()?;
    all_back(before)
}

/// Runs a hog that takes memory by calls until they give -1. It stays, and somebody small touches
/// what it was promised: the hog must die for that, and nobody else.
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
    // Without a report it is dead already: a page of its own that it had not touched before was one
    // too many.
    let _ = tally.listen().hear();
    gate.open();
    small.ends_with(0, "one who touches little beside a hog")?;
    // Where a limit ended its taking before memory did, nobody had to die.
    let _ = process::kill(hog.id());
    hog.ends_with(abi::KILLED, what)?;
    witness.speak()?;
    all_back(before)
}

/// Pages that the small one touches.
const SMALL: usize = 256;
/// Pages that a test's own process may have touched for the first time meanwhile.
const SLACK: i64 = 40;

/// Checks that no pages are lost since `before` were available.
fn all_back(before: u64) -> Outcome {
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

/// A step of those that take memory in pieces.
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

/// A child that writes to all of its parent's pages dies, the parent does not.
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

/// Shared memory stays when its only owner says that it needs the pages no more.
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

/// Reading a page in each 2 MiB takes no page but a table each time.
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

/// Runs a hog that takes little at a time when most of memory is with others, of whom none has as
/// much as the hog will have.
fn among_others(hog: impl FnOnce() -> Outcome) -> Outcome {
    const OTHERS: usize = 40;
    let share = available()? as usize / (OTHERS + 3);
    let others: Vec<Witness> = (0..OTHERS)
        .map(|_| Witness::holding(share))
        .collect::<Result<_, String>>()?;
    hog()?;
    others.into_iter().rev().try_for_each(Witness::speak)
}

/// Each page with other rights than the next one takes a record.
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
    holds_all("getting objects of the kernel's", || {
        sys::kmalloc(4096) != -1
    })
}

/// Pipes with a page of bytes in each.
fn pipes() -> Outcome {
    let bytes = [1_u8; 512];
    holds_all("making pipes", || {
        let mut ends = [0; 2];
        // SAFETY: `ends` is ours.
        unsafe { sys::pipe(&mut ends) == 0 && sys::write(ends[1], bytes.as_ptr(), 512) == 512 }
    })
}

/// The same directory open over and over.
fn files() -> Outcome {
    let open = || sys::open(c"/".as_ptr().cast(), 0) != -1;
    among_others(|| holds_all("opening a directory", open))
}

/// `read` into memory that cannot be given is -1, and whoever called goes on.
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
        // First a little, so that this process has touched all that it takes when memory ends.
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

/// A shell that is there all the time answers when the hog is gone, and can start programs.
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
                .or_fail(ulib::format!("hear from the shell in round {round}"))?;
            seen.push(byte[0]);
        }
    }
    let status = shell.wait().or_fail("wait for the shell")?;
    expect_eq!(status.code(), 0, "status of the shell");
    Ok(())
}

/// Four at once, each in its own way.
fn several() -> Outcome {
    let before = available()?;
    let witness = Witness::start()?;
    let ways: [fn(); 4] = [
        || while grow_touched(PIECE).is_ok() {},
        || {
            while let Some(base) = map(PIECE, MapFlags::PRIVATE) {
                touch(base, PIECE);
            }
        },
        || {
            while let Some(base) = map(PIECE, MapFlags::SHARED) {
                touch(base, PIECE);
            }
        },
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
