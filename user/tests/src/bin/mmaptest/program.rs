//! The address space after `exec`: shared text, a guarded stack, and no old mappings.

use crate::area::{Area, RW, SHARED, mmap, mprotect, munmap, refused};
use crate::place::FAR;
use abi::{MapFlags, PAGE_SIZE};
use harness::{Expect, Outcome, Test, available, cost, dies, ends_with, peek, poke};
use harness::{expect, expect_eq, tests};
use programs::cli::number;
use ulib::io::{Read, Write};
use ulib::process::{Child, Command, Stdio};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{env, format, fs};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "exec-drops-mappings" = exec_drops_mappings,
    "exec-gives-back" = exec_gives_back,
    "exec-failing-keeps-mappings" = exec_failing_keeps,
    "text-shared-by-ten" = text_shared_by_ten,
    "stack-guarded" = stack_guarded,
    "stack-overflow-into-the-guard" = stack_overflow,
    "stack-guard-stays" = guard_stays;
    slow:;
};

/// The program's own file.
const PROGRAM: &str = "/mmaptest";
/// The stack size in the linker script.
const STACK: usize = 64 << 10;

/// Runs this program's part as a test's child, by its arguments; returns the exit status.
pub(crate) fn other_part() -> Option<i32> {
    let mut arguments = env::args_bytes().skip(1);
    match arguments.next()? {
        b"--peek" => {
            peek(number(arguments.next()?)?);
            Some(0)
        }
        b"--touch" => {
            while let (Some(first), Some(end)) = (arguments.next(), arguments.next()) {
                for at in (number(first)?..number(end)?).step_by(PAGE_SIZE) {
                    peek(at);
                }
            }
            ulib::println!("touched");
            ulib::io::stdout().flush().ok()?;
            // Until killed.
            loop {
                ulib::thread::sleep_ticks(100);
            }
        }
        _ => None,
    }
}

/// The read-only segments of this program.
fn fixed_segments() -> Result<Vec<(usize, usize)>, String> {
    let file = fs::read(PROGRAM).or_fail("read the program's file")?;
    let word = |at: usize, bytes: usize| -> usize {
        let bytes = file.get(at..at + bytes).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    };
    // Program headers by ELF header fields; of each: type, flags, address and size.
    let headers = (0..word(56, 2)).map(|i| word(32, 8) + i * word(54, 2));
    Ok(headers
        .filter(|&at| word(at, 4) == 1 && word(at + 4, 4) & 2 == 0)
        .map(|at| (word(at + 16, 8), word(at + 16, 8) + word(at + 32, 8)))
        .collect())
}

fn exec_drops_mappings() -> Outcome {
    for flags in [crate::area::PRIVATE, SHARED] {
        let area = Area::map_at(FAR, 4, RW, flags)?;
        area.fill(1);
        let status = Command::new(PROGRAM)
            .arg("--peek")
            .arg(format!("{}", area.base))
            .status()
            .or_fail("start a program")?;
        expect_eq!(
            status.code(),
            abi::KILLED,
            "status of a program that reads what was mapped before"
        );
        area.holds(1, "the byte of who started it")?;
        area.unmap()?;
    }
    let status = Command::new(PROGRAM)
        .args(["--peek", "0"])
        .status()
        .or_fail("start a program")?;
    expect_eq!(status.code(), 0, "status of a program that reads its text");
    Ok(())
}

fn exec_gives_back() -> Outcome {
    let taken = cost(
        || {
            ends_with(0, "exec with mappings", || {
                let filled = [crate::area::PRIVATE, SHARED]
                    .into_iter()
                    .try_for_each(|flags| Area::map(256, RW, flags).map(|area| area.fill(1)));
                if filled.is_err() {
                    return 1;
                }
                let Err(_) = Command::new(PROGRAM).args(["--peek", "0"]).exec();
                2
            })
        },
        Ok,
    )?;
    expect!(taken <= 0, "all pages back, saw {taken} taken");
    Ok(())
}

fn exec_failing_keeps() -> Outcome {
    let area = Area::private(4)?;
    area.fill(1);
    let Err(_) = Command::new("/missing").exec();
    fs::write("no-program", b"nothing to run").or_fail("write a file")?;
    let Err(_) = Command::new("no-program").exec();
    area.holds(1, "a byte after exec failed")?;
    area.fill(2);
    area.holds(2, "a byte written after that")
}

/// Runs this program as a child that touches all its text and stays.
fn start_toucher(text: &[(usize, usize)]) -> Result<Child, String> {
    let places = text.iter().flat_map(|&(first, end)| [first, end]);
    let mut child = Command::new(PROGRAM)
        .arg("--touch")
        .args(places.map(|at| format!("{at}")))
        .stdout(Stdio::piped())
        .spawn()
        .or_fail("start a program")?;
    let mut line = [0; 8];
    let out = child.stdout.as_mut().ok_or("expected a pipe, saw none")?;
    out.read_exact(&mut line).or_fail("read from the program")?;
    expect_text(&line)?;
    Ok(child)
}

fn expect_text(line: &[u8]) -> Outcome {
    expect_eq!(line, b"touched\n", "what the program says");
    Ok(())
}

/// Ten processes that run the same program share one copy of its text.
fn text_shared_by_ten() -> Outcome {
    let segments = fixed_segments()?;
    let pages = |&(first, end): &(usize, usize)| (end - first).div_ceil(PAGE_SIZE);
    let text: usize = segments.iter().map(pages).sum();
    expect!(text >= 30, "a program with some text, saw {text} pages");
    // The first one fills the page cache.
    let first = start_toucher(&segments)?;
    let before = available()?;
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(start_toucher(&segments)?);
    }
    let each = (before - available()?.min(before)) as usize / 9;
    for mut child in others.into_iter().chain([first]) {
        child.kill().or_fail("kill the program")?;
        child.wait().or_fail("wait for the program")?;
    }
    // Besides text, a process has stacks, page tables and data.
    expect!(
        each < text.min(30),
        "each further process without a copy of {text} pages of text, saw {each} pages taken"
    );
    Ok(())
}

/// The initial stack: it ends with the page of the arguments.
fn stack() -> Area {
    let argument = env::args_bytes()
        .next()
        .map_or(0, |name| name.as_ptr() as usize);
    Area {
        base: argument.next_multiple_of(PAGE_SIZE) - STACK,
        pages: STACK / PAGE_SIZE,
    }
}

fn stack_guarded() -> Outcome {
    let stack = stack();
    dies("reading below the stack", || peek(stack.base - 1))?;
    dies("reading a page below the stack", || {
        peek(stack.base - PAGE_SIZE)
    })?;
    // SAFETY: invalid, so it must kill the process.
    dies("writing below the stack", || unsafe {
        poke(stack.base - 8, 1)
    })?;
    // The rest is zero and allocated on touch.
    stack.part(0, 6).holds(0, "an unused byte of the stack")?;
    stack.part(0, 6).fill(1);
    stack.part(0, 6).holds(1, "a written byte of the stack")
}

fn stack_overflow() -> Outcome {
    fn recurse(depth: usize) -> usize {
        if core::hint::black_box(depth) == usize::MAX {
            return 0;
        }
        let frame = core::hint::black_box([depth; 32]);
        frame[depth % 32] + core::hint::black_box(recurse(depth + 1))
    }
    // The text below the guard must not change.
    dies("endless recursion", || recurse(0))?;
    let (first, end) = (0, recurse as fn(usize) -> usize as usize);
    let before: usize = (first..end)
        .step_by(64)
        .map(|at| usize::from(peek(at)))
        .sum();
    dies("endless recursion again", || recurse(0))?;
    let after: usize = (first..end)
        .step_by(64)
        .map(|at| usize::from(peek(at)))
        .sum();
    expect_eq!(after, before, "the sum of some bytes of the text");
    Ok(())
}

/// The guard cannot be replaced or unmapped.
fn guard_stays() -> Outcome {
    let guard = stack().base - PAGE_SIZE;
    for flags in [MapFlags::FIXED, MapFlags::FIXED_NOREPLACE] {
        let answer = mmap(guard, PAGE_SIZE, RW, crate::area::PRIVATE | flags);
        refused(answer, "a mapping over the guard")?;
    }
    refused(munmap(guard, PAGE_SIZE), "munmap of the guard")?;
    refused(munmap(guard, 2 * PAGE_SIZE), "munmap of guard and stack")?;
    // Keeping it inaccessible is allowed.
    expect_eq!(
        mprotect(guard, PAGE_SIZE, abi::Prot::empty()),
        0,
        "mprotect"
    );
    dies("reading the guard", || peek(guard))
}
