//! `alloctest`: how many files and pages the machine's memory holds.
//!
//! - `filetest`: 50 processes hold 10 open files each;
//! - `memtest`: one process touches new pages until it is killed, and gets nearly all memory;
//! - `opentest`: with 4 MiB left, one process opens files until the kernel refuses; it opens many,
//!   and nothing leaks.
#![no_std]
#![no_main]

use abi::{MemInfoFlags, PAGE_SIZE};
use harness::{
    Counts, Expect, Gate, Kid, Outcome, Tally, fill_memory, isolated, take_pages, warm_up,
};
use harness::{expect, expect_eq};
use ulib::fs::File;
use ulib::io::{Read, Write};
use ulib::vec::Vec;
use ulib::{main, mem, println, process, sys};

main!(main);

const PROCESSES: usize = 50;
const FILES_EACH: usize = 10;
/// The file to open.
const FILE: &str = "file";
/// Files that can be open at once with [`LEFT`] pages, at least.
const FILES: u64 = 10_000;
/// 4 MiB.
const LEFT: u64 = (4 << 20) / PAGE_SIZE as u64;

fn main() -> i32 {
    warm_up();
    let mut failed = false;
    for (name, test) in [
        ("filetest", filetest as fn() -> Outcome),
        ("memtest", memtest),
        ("opentest", opentest),
    ] {
        println!("{name}: start");
        match test() {
            Ok(()) => println!("{name}: OK"),
            Err(error) => {
                println!("{name}: FAILED: {error}");
                failed = true;
            }
        }
    }
    i32::from(failed)
}

fn filetest() -> Outcome {
    isolated(|| {
        File::create(FILE).or_fail("create a file")?;
        let (tally, gate) = (Tally::new()?, Gate::new()?);
        let mut children = Vec::new();
        for _ in 0..PROCESSES {
            children.push(Kid::start(|| {
                let mut files = [const { None }; FILES_EACH];
                for file in &mut files {
                    *file = File::open(FILE).ok();
                }
                tally.report(files.iter().flatten().count() as u8);
                gate.pass();
                0
            })?);
        }
        let mut reports = tally.listen();
        for i in 0..PROCESSES {
            let open = usize::from(reports.hear()?);
            expect_eq!(open, FILES_EACH, "files that process {i} opened");
        }
        gate.open();
        children
            .into_iter()
            .try_for_each(|child| child.ends_with(0, "open files"))
    })
}

/// The pages that one process must get: 32,300 of 128 MiB, else 98 %.
fn required(pages: u64) -> u64 {
    if pages == 32_768 {
        32_300
    } else {
        pages * 98 / 100
    }
}

/// Not isolated: another process would cost pages.
fn memtest() -> Outcome {
    // Once before, so that this process has touched all that it needs.
    expect_eq!(take_pages(10)?, 10, "pages of a child that takes ten");
    let _ = Counts::take()?.nothing_lost_since();
    let before = Counts::take()?;
    let info = mem::info(MemInfoFlags::DROP_CACHES).or_fail("count pages")?;
    let all = info.total + info.reserved;
    let required = match info.commit_limit {
        0 => required(all),
        // Committed memory of others is not available.
        limit => (limit - info.committed) * 98 / 100,
    };
    let got = take_pages(usize::MAX)?;
    println!("memtest: {got} of {all} pages");
    expect!(
        got >= required,
        "at least {required} of {all} pages, saw {got}"
    );
    before.nothing_lost_since()
}

fn opentest() -> Outcome {
    isolated(|| {
        File::create(FILE).or_fail("create a file")?;
        let (mut read, write) = process::pipe().or_fail("create a pipe")?;
        // Forked before memory is filled; it waits at the gate.
        let gate = Gate::new()?;
        let opener = Kid::start(|| {
            gate.pass();
            open_all(write)
        })?;
        let (tally, held) = (Tally::new()?, Gate::new()?);
        let hog = Kid::start(|| {
            gate.leave();
            let filled = fill_memory(LEFT);
            tally.report(u8::from(filled.is_ok()));
            held.pass();
            0
        })?;
        let filled = tally.listen().hear()?;
        expect_eq!(filled, 1, "memory filled but for {LEFT} pages");
        gate.open();
        opener.ends_with(0, "open files until memory ends")?;
        let mut count = [0; 8];
        read.read_exact(&mut count)
            .or_fail("read how many files were open")?;
        held.open();
        hog.ends_with(0, "memory")?;
        let count = u64::from_le_bytes(count);
        println!("opentest: {count} files open at once");
        expect!(count > FILES, "more than {FILES} open files, saw {count}");
        Ok(())
    })
}

/// Opens files until the kernel refuses and reports how many.
fn open_all(mut count_to: File) -> i32 {
    let mut count = 0_u64;
    // A list of files would take memory.
    while sys::open(c"file".to_bytes_with_nul().as_ptr(), 0) != -1 {
        count += 1;
    }
    i32::from(count_to.write_all(&count.to_le_bytes()).is_err())
}
