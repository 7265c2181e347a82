//! `cowtest [-q] [-l] [NAME…]`: what a fork shares, and who copies what when somebody writes. The
//! numbers of pages are the kernel's own counts.
#![no_std]
#![no_main]

use abi::PAGE_SIZE;
use programs::harness::{
    Expect, Gate, Kid, Outcome, Tally, Test, available, ends_with, grow_touched, peek, poke, suite,
};
use programs::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::process::{self, Command};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, main, sys};

main!(main);

const TESTS: &[Test] = tests! {
    quick:
    "simple" = simple,
    "three" = three,
    "file" = copies_in_read,
    "file-in-parent" = copies_in_read_of_the_parent,
    "pipe" = copies_from_a_pipe,
    "wait" = copies_in_wait,
    "stack" = stack,
    "data" = data,
    "fork-copies-no-page" = fork_copies_no_page,
    "reading-copies-no-page" = reading_copies_no_page,
    "writing-copies-what-is-written" = writing_copies,
    "written-twice-copied-once" = written_twice,
    "last-owner-copies-nothing" = last_owner,
    "last-owner-in-the-child" = last_owner_in_the_child,
    "chain" = chain,
    "chain-each-writes" = chain_each_writes,
    "fork-in-a-loop" = fork_in_a_loop,
    "many-children" = many_children,
    "fork-and-exec" = fork_and_exec,
    "sbrk-after-fork" = sbrk_after_fork,
    "every-page-another-way" = every_page;
    slow:
    "larger-than-half" = larger_than_half,
    "larger-than-half-three" = larger_than_half_three,
    "too-large-to-copy" = too_large_to_copy;
};

fn main() -> i32 {
    suite(&[TESTS])
}

/// Touched pages of the heap.
#[derive(Clone, Copy)]
struct Pages {
    base: usize,
    count: usize,
}

impl Pages {
    fn new(count: usize) -> Result<Pages, String> {
        let base = grow_touched(count)?;
        Ok(Pages { base, count })
    }

    fn at(self, page: usize) -> usize {
        self.base + page * PAGE_SIZE
    }

    fn part(self, first: usize, count: usize) -> Pages {
        let base = self.at(first);
        Pages { base, count }
    }

    /// Writes to the start and the end of each page.
    fn fill(self, byte: u8) {
        for page in 0..self.count {
            for at in [self.at(page), self.at(page + 1) - 1] {
                // SAFETY: the pages are the test's own, and there are no references to them.
                unsafe { poke(at, byte) };
            }
        }
    }

    fn holds(self, byte: u8, whose: &str) -> Outcome {
        for page in 0..self.count {
            for at in [self.at(page), self.at(page + 1) - 1] {
                expect_eq!(peek(at), byte, "{whose} byte of page {page}");
            }
        }
        Ok(())
    }

    /// A child's status: 0 if the pages hold this byte.
    fn status(self, byte: u8) -> i32 {
        i32::from(self.holds(byte, "the child's").is_err())
    }
}

/// Pages taken since `before` were available; negative if there are more now.
fn taken_since(before: u64) -> Result<i64, String> {
    Ok(before as i64 - available()? as i64)
}

/// What a process takes besides what it writes: its stacks, tables, records, and the pages of its
/// stack and data that it touches on its way.
const PROCESS: i64 = 40;

/// A child that has done something and stays until it is let go.
struct Stay {
    kid: Kid,
    gate: Gate,
}

impl Stay {
    /// Starts it and waits until it has done its part, which must give 0.
    fn start(part: impl FnOnce() -> i32) -> Result<Stay, String> {
        let (tally, gate) = (Tally::new()?, Gate::new()?);
        let kid = Kid::start(|| {
            let status = part();
            tally.report(status as u8);
            gate.pass();
            status
        })?;
        let status = tally.listen().hear()?;
        if status != 0 {
            return Err(format!("expected 0 from the child's part, saw {status}"));
        }
        Ok(Stay { kid, gate })
    }

    fn end(self) -> Outcome {
        self.gate.open();
        self.kid.ends_with(0, "a child that stays")
    }
}

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

/// Parent, child and grandchild each write all of it, at the same time.
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

const TEXT: &[u8] = b"what the kernel copies to memory that others share";

/// `read` into pages that are shared: the kernel's own writes copy them too.
fn copies_in_read() -> Outcome {
    let pages = Pages::new(2)?;
    pages.fill(1);
    fs::write("file", TEXT).or_fail("write a file")?;
    let place = pages.at(1) - TEXT.len() / 2;
    for round in 0..4 {
        ends_with(0, "read into shared pages", || {
            let Ok(file) = File::open("file") else {
                return 1;
            };
            // SAFETY: the pages are ours.
            let n = unsafe { sys::read(file.as_raw_fd(), place as *mut u8, TEXT.len()) };
            let same = (0..TEXT.len()).all(|i| peek(place + i) == TEXT[i]);
            i32::from(n != TEXT.len() as isize || !same)
        })?;
        pages
            .holds(1, "the parent's")
            .map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}

fn copies_in_read_of_the_parent() -> Outcome {
    let pages = Pages::new(2)?;
    pages.fill(1);
    fs::write("file", TEXT).or_fail("write a file")?;
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        pages.status(1)
    })?;
    let file = File::open("file").or_fail("open a file")?;
    // SAFETY: the pages are ours.
    let n = unsafe { sys::read(file.as_raw_fd(), pages.base as *mut u8, TEXT.len()) };
    expect_eq!(n, TEXT.len() as isize, "bytes read");
    gate.open();
    child.ends_with(0, "its pages when the parent reads into its own")?;
    expect_eq!(peek(pages.base), TEXT[0], "the parent's byte");
    Ok(())
}

/// Several children read from pipes into the same shared page.
fn copies_from_a_pipe() -> Outcome {
    let pages = Pages::new(1)?;
    pages.fill(99);
    let mut kids = Vec::new();
    for number in 0..4_u8 {
        let (from, to) = process::pipe().or_fail("make a pipe")?;
        kids.push(Kid::start(|| {
            // SAFETY: the page is ours.
            let n = unsafe { sys::read(from.as_raw_fd(), pages.base as *mut u8, 1) };
            let seen = [peek(pages.base), peek(pages.at(1) - 1)];
            i32::from(n != 1 || seen != [number, 99])
        })?);
        let n = sys::write(to.as_raw_fd(), &raw const number, 1);
        expect_eq!(n, 1, "bytes written");
    }
    for kid in kids {
        kid.ends_with(0, "read from a pipe into a shared page")?;
    }
    pages.holds(99, "the parent's")
}

/// `wait` stores a status into a shared page.
fn copies_in_wait() -> Outcome {
    let pages = Pages::new(1)?;
    pages.fill(1);
    ends_with(0, "wait into a shared page", || {
        if process::fork_with(|| 0x0707).is_err() {
            return 1;
        }
        // SAFETY: the page is ours.
        let waited = unsafe { sys::wait((pages.base + 8) as *mut i32) };
        i32::from(waited < 0 || peek(pages.base + 8) != 7 || peek(pages.base) != 1)
    })?;
    expect_eq!(peek(pages.base + 8), 0, "the parent's byte there");
    pages.holds(1, "the parent's")
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

const MANY: usize = 1000;

fn fork_copies_no_page() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    for _ in 0..2 {
        let before = available()?;
        let child = Stay::start(|| 0)?;
        let taken = taken_since(before)?;
        expect!(
            taken < PROCESS,
            "a fork of {MANY} pages to take less than {PROCESS}, saw {taken}"
        );
        child.end()?;
    }
    pages.holds(1, "the parent's")
}

fn reading_copies_no_page() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(5);
    let before = available()?;
    let child = Stay::start(|| pages.status(5))?;
    pages.holds(5, "the parent's")?;
    let taken = taken_since(before)?;
    expect!(
        taken < PROCESS,
        "reading {MANY} pages in both to take less than {PROCESS}, saw {taken}"
    );
    child.end()
}

fn writing_copies() -> Outcome {
    let pages = Pages::new(MANY)?;
    let before = available()?;
    let child = Stay::start(|| {
        pages.part(100, 300).fill(2);
        0
    })?;
    let taken = taken_since(before)?;
    expect!(
        (300..300 + PROCESS).contains(&taken),
        "300 copies and the process's own, saw {taken}"
    );
    child.end()?;
    let left = taken_since(before)?;
    expect!(left < PROCESS, "all copies back, saw {left} taken");
    Ok(())
}

fn written_twice() -> Outcome {
    let pages = Pages::new(MANY)?;
    let before = available()?;
    let child = Stay::start(|| {
        for byte in 1..5 {
            pages.part(0, 200).fill(byte);
        }
        pages.part(0, 200).status(4)
    })?;
    let taken = taken_since(before)?;
    expect!(
        (200..200 + PROCESS).contains(&taken),
        "200 copies and the process's own, saw {taken}"
    );
    child.end()
}

/// When the child is gone, the parent writes to its pages as they are.
fn last_owner() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    for byte in 2..4 {
        let child = Stay::start(|| 0)?;
        child.end()?;
        let before = available()?;
        pages.fill(byte);
        let taken = taken_since(before)?;
        expect!(taken <= 2, "no copies by the last owner, saw {taken} pages");
        pages.holds(byte, "the parent's")?;
    }
    Ok(())
}

/// When the parent has let go, the child writes to the pages as they are.
fn last_owner_in_the_child() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(1);
    let gate = Gate::new()?;
    let tally = Tally::new()?;
    let before = available()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = pages.status(1);
        pages.fill(2);
        tally.report((seen + pages.status(2)) as u8);
        loop {
            core::hint::spin_loop();
        }
    })?;
    // SAFETY: nothing was allocated since, and the pages are not used here any more.
    let old = unsafe { sys::sbrk(-((MANY * PAGE_SIZE) as isize)) };
    expect_eq!(old as usize, pages.at(MANY), "the break before");
    let mut reports = tally.listen();
    gate.open();
    expect_eq!(reports.hear()?, 0, "what the child found");
    let taken = taken_since(before)?;
    expect!(
        taken < PROCESS,
        "{MANY} pages to pass to the child without copies, saw {taken} taken"
    );
    child.kill("pages passed on")
}

/// Twenty generations; the last sees what the first wrote, and nobody copies.
fn chain() -> Outcome {
    let pages = Pages::new(MANY)?;
    pages.fill(7);
    let tally = Tally::new()?;
    let gate = Gate::new()?;
    let before = available()?;
    let first = Kid::start(|| {
        for _ in 0..19 {
            match process::fork() {
                Ok(process::Fork::Child) => continue,
                Ok(process::Fork::Parent(pid)) => {
                    gate.leave();
                    let status = process::wait_for(pid);
                    return status.map_or(9, |status| status.code());
                }
                Err(_) => return 8,
            }
        }
        tally.report(pages.status(7) as u8);
        gate.pass();
        0
    })?;
    let mut reports = tally.listen();
    expect_eq!(reports.hear()?, 0, "what the twentieth generation found");
    let taken = taken_since(before)?;
    expect!(
        taken < 20 * PROCESS,
        "20 processes without copies of {MANY} pages, saw {taken} taken"
    );
    gate.open();
    first.ends_with(0, "a chain of forks")
}

/// Each generation writes a byte of its own everywhere and checks it when its child has ended.
fn chain_each_writes() -> Outcome {
    fn generation(pages: Pages, number: u8) -> i32 {
        let before = pages.status(number - 1);
        pages.fill(number);
        let child = if number < 10 {
            ends_with(0, "the next generation", || generation(pages, number + 1))
        } else {
            Ok(())
        };
        before + i32::from(child.is_err()) + pages.status(number)
    }
    let pages = Pages::new(100)?;
    pages.fill(0);
    ends_with(0, "ten generations", || generation(pages, 1))?;
    pages.holds(0, "the first generation's")
}

/// Forking over and over, with writes on both sides, loses no page and no byte.
fn fork_in_a_loop() -> Outcome {
    let pages = Pages::new(50)?;
    for round in 0..100_u8 {
        pages.fill(round);
        let child = Kid::start(|| {
            let seen = pages.status(round);
            pages.part(usize::from(round) % 50, 1).fill(255);
            seen
        })?;
        if round % 2 == 0 {
            pages.part(usize::from(round / 2), 1).fill(round);
        }
        child.ends_with(0, "one of a hundred forks")?;
        pages.holds(round, "the parent's")?;
    }
    Ok(())
}

/// Twelve at once, each with its own bytes in its own part, and the rest the parent's.
fn many_children() -> Outcome {
    const EACH: usize = 40;
    let pages = Pages::new(12 * EACH)?;
    pages.fill(100);
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..12)
        .map(|number: usize| {
            Kid::start(|| {
                gate.pass();
                let own = pages.part(number * EACH, EACH);
                own.fill(number as u8);
                let behind = pages.part((number + 1) * EACH, (11 - number) * EACH);
                pages.part(0, number * EACH).status(100)
                    + own.status(number as u8)
                    + behind.status(100)
            })
        })
        .collect::<Result<_, String>>()?;
    gate.open();
    for kid in kids {
        kid.ends_with(0, "one of twelve")?;
    }
    pages.holds(100, "the parent's")
}

/// A shell's way: a large process forks, and the child becomes another program at once.
fn fork_and_exec() -> Outcome {
    let pages = Pages::new(4 * MANY)?;
    pages.fill(1);
    let before = available()?;
    for _ in 0..3 {
        let (output, status) = Command::new("/echo")
            .arg("hello")
            .output()
            .or_fail("run a program")?;
        expect_eq!(status.code(), 0, "status of the program");
        expect_eq!(output.as_slice(), b"hello\n", "what the program says");
    }
    let child = Command::new("/cat")
        .stdin(process::Stdio::piped())
        .spawn()
        .or_fail("start a program")?;
    ulib::thread::sleep_ticks(2);
    let taken = taken_since(before)?;
    expect!(
        taken < 2 * PROCESS,
        "a program started from {} pages without copies of them, saw {taken} taken",
        pages.count
    );
    let mut child = child;
    let status = child.wait().or_fail("wait for the program")?;
    expect_eq!(status.code(), 0, "status of the program");
    pages.holds(1, "the parent's")
}

/// What one side gives back or gets after a fork does not concern the other.
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

/// Of each eight pages, one each is: written by the child, by the parent, by both, by a call of
/// the child's, read by both, given back by the child, written before the child ends and by the
/// parent afterwards, and left alone.
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
    child.end()?;
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

/// More than half of all memory, written by the parent.
fn most_of_memory() -> Result<Pages, String> {
    let pages = Pages::new(available()? as usize * 2 / 3)?;
    for page in 0..pages.count {
        // SAFETY: the pages are the test's own.
        unsafe { poke(pages.at(page), page as u8) };
    }
    Ok(pages)
}

fn numbers_hold(pages: Pages, but: usize) -> bool {
    (0..pages.count).all(|page| page == but || peek(pages.at(page)) == page as u8)
}

/// Memory of which no copy could be made can be forked, read by both, and written in parts.
fn larger_than_half() -> Outcome {
    let pages = most_of_memory()?;
    let child = Stay::start(|| {
        // SAFETY: the page is the child's own.
        unsafe { poke(pages.at(17), 200) };
        i32::from(!numbers_hold(pages, 17) || peek(pages.at(17)) != 200)
    })?;
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    child.end()
}

fn larger_than_half_three() -> Outcome {
    let pages = most_of_memory()?;
    let mut kids = Vec::new();
    for number in 0..3_u8 {
        kids.push(Stay::start(|| {
            let own = 1000 * usize::from(number);
            // SAFETY: the page is the child's own.
            unsafe { poke(pages.at(own), 100 + number) };
            i32::from(!numbers_hold(pages, own) || peek(pages.at(own)) != 100 + number)
        })?);
    }
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    // A later one holds what would let an earlier one go.
    kids.into_iter().rev().try_for_each(Stay::end)
}

/// A child that writes to more than there is ends alone; the parent keeps every byte.
fn too_large_to_copy() -> Outcome {
    let pages = most_of_memory()?;
    ends_with(abi::KILLED, "writing more than there is", || {
        for page in 0..pages.count {
            // SAFETY: the pages are the child's own.
            unsafe { poke(pages.at(page), 255) };
        }
        0
    })?;
    expect!(
        numbers_hold(pages, pages.count),
        "the parent's bytes as they were"
    );
    ends_with(0, "a fork after that", || 0)
}
