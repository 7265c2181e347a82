//! Strict accounting: excessive requests fail with -1, committed memory is available, and no
//! process is killed.

use crate::witness::Witness;
use abi::{MapFlags, PAGE_SIZE, Prot};
use harness::{
    Expect, Gate, Kid, Outcome, Tally, Test, committable, fill, grow_touched, map, peek,
};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::Read;
use ulib::process::{self, Command};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{mem, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "refused-heap" = heap,
    "refused-mappings" = mappings,
    "refused-shared-memory" = shared,
    "refused-page-tables" = page_tables,
    "refused-rights" = rights,
    "refused-fork" = fork,
    "refused-exec" = exec,
    "refused-kmalloc" = kmalloc,
    "refused-pipes" = pipes,
    "refused-files" = files,
    "refused-regions" = regions,
    "refused-to-several" = several,
    "promises-are-kept" = kept,
    "promises-are-kept-beside-the-page-cache" = kept_beside_cache,
    "promises-are-kept-after-fork" = kept_after_fork,
    "promises-come-back" = come_back;
    slow:;
};

/// Allocation step.
const PIECE: usize = 256;
/// Pages of a mapping with two page tables of its own, and of an object with two page lists.
const LONG: usize = 1024;

/// Runs a hog in a child until it is refused; the child must exit normally, and a witness must not
/// notice.
fn is_refused(what: &str, hog: impl FnOnce() -> bool) -> Outcome {
    let witness = Witness::start()?;
    let before = committable()?;
    Kid::start(|| i32::from(!hog()))?.ends_with(0, what)?;
    expect_eq!(committable()?, before, "pages to be committed afterwards");
    witness.speak()
}

fn touch(base: usize, pages: usize) {
    // SAFETY: the callers' own memory.
    unsafe { fill(base, pages, 1) };
}

/// Calls `take` until it fails; returns whether it succeeded at least once.
fn until_refused(mut take: impl FnMut() -> bool) -> bool {
    let some = take();
    while take() {}
    some
}

fn heap() -> Outcome {
    is_refused("taking all of the heap", || {
        until_refused(|| grow_touched(PIECE).is_ok()) && until_refused(|| grow_touched(1).is_ok())
    })
}

fn take_mappings(kind: MapFlags) -> bool {
    until_refused(|| {
        map(PIECE, kind)
            .inspect(|&base| touch(base, PIECE))
            .is_some()
    })
}

fn mappings() -> Outcome {
    is_refused("taking mappings", || take_mappings(MapFlags::PRIVATE))
}

fn shared() -> Outcome {
    is_refused("taking shared memory", || take_mappings(MapFlags::SHARED))
}

/// Read-only memory takes a page table for each 2 MiB, and no page.
fn page_tables() -> Outcome {
    is_refused("taking page tables", || {
        until_refused(|| {
            let (length, flags) = (64 << 20, MapFlags::PRIVATE | MapFlags::ANONYMOUS);
            // SAFETY: without `FIXED` nothing is replaced.
            let base = unsafe { sys::mmap(0, length, Prot::READ.bits(), flags.bits(), -1, 0) };
            let Ok(base) = usize::try_from(base) else {
                return false;
            };
            (0..length)
                .step_by(2 << 20)
                .for_each(|at| _ = peek(base + at));
            true
        })
    })
}

/// Write permission is refused if the memory for it cannot be committed.
fn rights() -> Outcome {
    is_refused("writing what could be read only", || {
        let length = committable().unwrap_or(0) as usize * PAGE_SIZE;
        let flags = (MapFlags::PRIVATE | MapFlags::ANONYMOUS).bits();
        // SAFETY: without `FIXED` nothing is replaced.
        let base = unsafe { sys::mmap(0, length, Prot::READ.bits(), flags, -1, 0) };
        let Ok(base) = usize::try_from(base) else {
            return false;
        };
        let both = (Prot::READ | Prot::WRITE).bits();
        // SAFETY: the mapping is ours.
        let [all, half] =
            [length, length / 2].map(|length| unsafe { sys::mprotect(base, length, both) });
        touch(base, length / 2 / PAGE_SIZE);
        (all, half) == (-1, 0)
    })
}

/// A process with more than half of memory cannot fork; one with less can.
fn fork() -> Outcome {
    let all = committable()? as usize;
    for (tenths, works) in [(6, false), (4, true)] {
        is_refused("forking", || {
            if grow_touched(all * tenths / 10).is_err() {
                return false;
            }
            let child = process::fork_with(|| 0);
            child.is_ok() == works && (!works || process::wait().is_ok())
        })?;
    }
    Ok(())
}

/// With no memory left exec fails, and the caller goes on.
fn exec() -> Outcome {
    is_refused("running a program", || {
        let taken = until_refused(|| grow_touched(1).is_ok());
        let Err(_) = Command::new("/echo").arg("ran").exec();
        taken
    })
}

/// Runs a hog of kernel memory while another process touches memory committed before.
fn keeps_commitments(what: &str, mut take: impl FnMut() -> bool) -> Outcome {
    const SMALL: usize = 256;
    is_refused(what, || {
        let Some(base) = map(SMALL, MapFlags::PRIVATE) else {
            return false;
        };
        let taken = until_refused(&mut take);
        touch(base, SMALL);
        taken && (0..SMALL).all(|page| peek(base + page * PAGE_SIZE) == 1)
    })
}

fn kmalloc() -> Outcome {
    keeps_commitments("allocating kernel objects", || sys::kmalloc(4096) != -1)
}

fn pipes() -> Outcome {
    keeps_commitments("creating pipes", || {
        let mut ends = [0; 2];
        // SAFETY: `ends` is ours.
        unsafe { sys::pipe(&mut ends) == 0 }
    })
}

fn files() -> Outcome {
    keeps_commitments("opening a directory", || {
        sys::open(c"/".as_ptr().cast(), 0) != -1
    })
}

/// Alternating protections take a region record for each page.
fn regions() -> Outcome {
    let (mut next, mut end) = (0, 0);
    keeps_commitments("cutting mappings into regions", || {
        if next >= end {
            let Some(base) = map(PIECE, MapFlags::PRIVATE) else {
                return false;
            };
            (next, end) = (base, base + PIECE * PAGE_SIZE);
        }
        // SAFETY: nobody uses the page.
        let answer = unsafe { sys::mprotect(next, PAGE_SIZE, Prot::READ.bits()) };
        next += 2 * PAGE_SIZE;
        answer == 0
    })
}

fn several() -> Outcome {
    let witness = Witness::start()?;
    let ways: [fn() -> bool; 4] = [
        || until_refused(|| grow_touched(PIECE).is_ok()),
        || take_mappings(MapFlags::PRIVATE),
        || take_mappings(MapFlags::SHARED),
        || until_refused(|| sys::kmalloc(4096) != -1),
    ];
    let start = |way: fn() -> bool| {
        Kid::start(move || {
            way();
            0
        })
    };
    let hogs: Vec<Kid> = ways.into_iter().map(start).collect::<Result<_, String>>()?;
    hogs.into_iter()
        .try_for_each(|hog| hog.ends_with(0, "one of several that take all"))?;
    witness.speak()
}

/// Several processes reserve all memory, then touch it all.
fn kept() -> Outcome {
    const HOLDERS: usize = 4;
    let (tally, gate) = (Tally::new()?, Gate::new()?);
    let share = committable()? as usize / (HOLDERS + 1);
    let mut holders = Vec::new();
    for _ in 0..HOLDERS {
        holders.push(Kid::start(|| {
            let base = map(share, MapFlags::PRIVATE);
            tally.report(u8::from(base.is_some()));
            gate.pass();
            let Some(base) = base else { return 1 };
            touch(base, share);
            i32::from(!(0..share).all(|page| peek(base + page * PAGE_SIZE) == 1))
        })?);
    }
    let mut reports = tally.listen();
    for _ in 0..HOLDERS {
        expect_eq!(reports.hear()?, 1, "a fifth of all committed");
    }
    // Take the rest too; this process touches nothing new from here on.
    let rest = Kid::start(|| {
        gate.leave();
        let taken = until_refused(|| grow_touched(1).is_ok());
        i32::from(!taken)
    })?;
    rest.ends_with(0, "taking the rest")?;
    gate.open();
    holders
        .into_iter()
        .try_for_each(|holder| holder.ends_with(0, "touching committed memory"))
}

/// The page cache uses committed but untouched memory, and gives it back.
fn kept_beside_cache() -> Outcome {
    let share = committable()? as usize * 9 / 10;
    let base = map(share, MapFlags::PRIVATE).ok_or("expected a mapping, saw -1")?;
    for name in [b"a", b"b", b"c"] {
        fs::write(name, vec![b'x'; 200 << 10]).or_fail("write a file")?;
    }
    let mut bytes = vec![0; 200 << 10];
    for page in 0..share {
        if page % 1000 == 0 {
            let mut file = File::open([b"a", b"b", b"c"][page / 1000 % 3]).or_fail("open")?;
            file.read_exact(&mut bytes).or_fail("read a file")?;
        }
        touch(base + page * PAGE_SIZE, 1);
    }
    expect!(bytes.iter().all(|&byte| byte == b'x'), "the file's bytes");
    Ok(())
}

/// After fork both sides write to all pages, with little memory left.
fn kept_after_fork() -> Outcome {
    let pages = committable()? as usize * 45 / 100;
    let base = grow_touched(pages).map_err(|_| "expected memory, saw -1")?;
    let child = Kid::start(|| {
        // SAFETY: the child's own memory.
        unsafe { fill(base, pages, 2) };
        0
    })?;
    // SAFETY: our memory.
    unsafe { fill(base, pages, 3) };
    child.ends_with(0, "copying committed memory")?;
    for page in 0..pages {
        expect_eq!(peek(base + page * PAGE_SIZE), 3, "a byte of page {page}");
    }
    Ok(())
}

/// Reserving and freeing, in each way, restores the committed count.
fn come_back() -> Outcome {
    let before = committable()?;
    for _ in 0..3 {
        let base = map(LONG, MapFlags::PRIVATE).ok_or("expected a mapping, saw -1")?;
        let shared = map(LONG, MapFlags::SHARED).ok_or("expected a mapping, saw -1")?;
        expect_eq!(
            before - committable()?,
            2 * LONG as u64 + 5 + 2,
            "pages committed for two mappings, their page tables and the object's page lists"
        );
        for at in [base, shared] {
            // SAFETY: nobody uses the memory.
            let answer = unsafe { sys::munmap(at, LONG * PAGE_SIZE) };
            expect_eq!(answer, 0, "munmap");
        }
        let top = mem::grow(PIECE * PAGE_SIZE).or_fail("grow the heap")?;
        // SAFETY: nothing was allocated since.
        unsafe { mem::sbrk(-((PIECE * PAGE_SIZE) as isize)) }.or_fail("shrink the heap")?;
        let _ = top;
    }
    expect_eq!(committable()?, before, "pages to be committed afterwards");
    Ok(())
}
