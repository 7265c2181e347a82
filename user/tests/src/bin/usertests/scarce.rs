//! System calls when memory is short: each works, fails or kills its process, and leaks nothing.

use abi::PAGE_SIZE;
use harness::{
    Expect, Gate, Kid, Outcome, Tally, Test, available, ends_with, fill_memory, grow_touched,
    hog_status, is_strict, peek,
};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::Write;
use ulib::process::{self, Command};
use ulib::{mem, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:;
    slow:
    "memory-ends" = ends,
    "memory-ends-for-several" = ends_for_several,
    "memory-ends-in-read" = in_read,
    "memory-ends-in-fork" = in_fork,
    "memory-ends-in-exec" = in_exec,
    "memory-ends-in-pipe" = in_pipe,
    "memory-ends-in-open" = in_open,
    "memory-ends-in-files" = in_files,
    "memory-ends-in-mmap" = in_mmap,
    "memory-ends-in-copy-on-write" = in_copy_on_write,
    "fork-of-a-big-process" = fork_of_a_big_process;
};

/// Pages with which a process can still exit normally.
const FEW: u64 = 24;

/// Runs `run` in a child with only `leave` pages left. It may work, fail or be killed, but must not
/// see wrong data (status 2).
fn when_scarce(leave: u64, what: &str, run: impl FnOnce() -> bool) -> Outcome {
    let child = Kid::start(|| {
        if fill_memory(leave).is_err() {
            return 2;
        }
        if run() { 0 } else { 2 }
    })?;
    let seen = child.wait()?.code();
    expect!(
        seen == 0 || seen == abi::KILLED,
        "{what} to work, fail or end, saw status {seen}"
    );
    Ok(())
}

fn ends() -> Outcome {
    for _ in 0..2 {
        ends_with(hog_status(), "touching all memory", || {
            while grow_touched(64).is_ok() {}
            0
        })?;
    }
    Ok(())
}

/// Several hogs are killed; small processes go on.
fn ends_for_several() -> Outcome {
    let held = grow_touched(100)?;
    let hogs: ulib::vec::Vec<Kid> = (0..4)
        .map(|_| {
            Kid::start(|| {
                while grow_touched(16).is_ok() {}
                0
            })
        })
        .collect::<Result<_, _>>()?;
    hogs.into_iter()
        .try_for_each(|hog| hog.ends_with(hog_status(), "touching all memory"))?;
    for page in 0..100 {
        expect_eq!(
            peek(held + page * PAGE_SIZE),
            1,
            "a byte of page {page} held meanwhile"
        );
    }
    Ok(())
}

fn in_read() -> Outcome {
    fs::write("file", vec![b'r'; 100 * 1024]).or_fail("write a file")?;
    when_scarce(FEW, "reading into untouched memory", || {
        let Ok(file) = File::open("file") else {
            return true;
        };
        let Ok(base) = mem::grow(1 << 20) else {
            return true;
        };
        // SAFETY: the memory is ours.
        let n = unsafe { sys::read(file.as_raw_fd(), base, 100 * 1024) };
        // What was reported as read must be there.
        (0..n.max(0) as usize)
            .step_by(512)
            .all(|i| peek(base as usize + i) == b'r')
    })
}

fn in_fork() -> Outcome {
    when_scarce(FEW, "fork", || {
        let mut started = 0;
        while started < 100 {
            match process::fork_with(|| {
                while grow_touched(1).is_ok() {}
                0
            }) {
                Ok(_) => started += 1,
                Err(_) => break,
            }
        }
        (0..started).all(|_| process::wait().is_ok())
    })
}

fn in_exec() -> Outcome {
    for leave in [2, 4, 8, 12, 16, 20, 24, 32, 48] {
        when_scarce(leave, "exec", || {
            let Err(_) = Command::new("/echo").exec();
            true
        })?;
    }
    Ok(())
}

fn in_pipe() -> Outcome {
    when_scarce(FEW, "creating pipes", || {
        let mut made = 0;
        let mut ends = [0; 2];
        // SAFETY: `ends` is ours.
        while unsafe { sys::pipe(&mut ends) } == 0 {
            made += 1;
        }
        made < 1_000_000
    })
}

fn in_open() -> Outcome {
    fs::write("file", b"open").or_fail("write a file")?;
    when_scarce(FEW, "opening files", || {
        let mut opened = 0;
        while sys::open(c"file".to_bytes_with_nul().as_ptr(), 0) != -1 {
            opened += 1;
        }
        opened < 1_000_000
    })
}

fn in_files() -> Outcome {
    when_scarce(FEW, "creating and writing files", || {
        for number in 0..20_u8 {
            let name = [b'a' + number];
            if let Ok(mut file) = File::create(name) {
                let _ = (0..10).try_for_each(|_| file.write_all(&[b'f'; 1000]));
            }
            let _ = fs::create_dir([b'A' + number]);
            let _ = fs::remove_file(name);
        }
        true
    })
}

fn in_mmap() -> Outcome {
    when_scarce(FEW, "creating mappings", || {
        let mut made = 0;
        // SAFETY: without `FIXED` nothing is replaced. Alternating protection keeps neighbours from
        // being one.
        while unsafe { sys::mmap(0, PAGE_SIZE, 1 + 2 * (made & 1), 0x22, -1, 0) } != -1 {
            made += 1;
        }
        made < 10_000_000
    })
}

/// A parent and its child share memory that does not fit twice.
fn in_copy_on_write() -> Outcome {
    let mut pages = available()? as usize * 6 / 10;
    pages -= pages % 16;
    let base = grow_touched(pages)?;
    if is_strict() {
        expect!(process::fork_with(|| 0).is_err(), "fork to be refused");
        return Ok(());
    }
    let child = Kid::start(|| {
        for page in 0..pages {
            // SAFETY: the memory is ours.
            unsafe { harness::poke(base + page * PAGE_SIZE, 2) };
        }
        0
    })?;
    child.ends_with(abi::KILLED, "copying more pages than there are")?;
    for page in 0..pages {
        expect_eq!(
            peek(base + page * PAGE_SIZE),
            1,
            "the parent's byte of page {page}"
        );
    }
    Ok(())
}

fn fork_of_a_big_process() -> Outcome {
    let pages = available()? as usize * 6 / 10;
    let base = grow_touched(pages)?;
    if is_strict() {
        expect!(process::fork_with(|| 0).is_err(), "fork to be refused");
        return Ok(());
    }
    let (tally, gate) = (Tally::new()?, Gate::new()?);
    let kids: ulib::vec::Vec<Kid> = (0..3)
        .map(|_| {
            Kid::start(|| {
                tally.report(peek(base + (pages - 1) * PAGE_SIZE));
                gate.pass();
                0
            })
        })
        .collect::<Result<_, _>>()?;
    let mut reports = tally.listen();
    for _ in 0..kids.len() {
        expect_eq!(reports.hear()?, 1, "the last page's byte in a child");
    }
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "sharing memory"))?;
    process::fork_with(|| 0).or_fail("fork once more")?;
    process::wait().or_fail("wait")?;
    Ok(())
}
