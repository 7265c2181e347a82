//! `sbrk` and lazy allocation.

use abi::{PAGE_SIZE, Stat};
use harness::random::Random;
use harness::{
    Expect, Outcome, Test, available, dies, ends_with, fill, fill_memory, grow_touched, is_strict,
    peek, poke,
};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::{mem, process, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "sbrk-grows" = grows,
    "sbrk-shrinks" = shrinks,
    "sbrk-odd-sizes" = odd_sizes,
    "sbrk-huge" = huge,
    "sbrk-below-heap" = below_heap,
    "sbrk-gives-back" = gives_back,
    "sbrk-sparse" = sparse,
    "sbrk-promises" = promises,
    "sbrk-random" = random,
    "untouched-memory-in-calls" = untouched_in_calls,
    "untouched-memory-reads-zero" = reads_zero,
    "heap-of-fork-apart" = fork_apart;
    slow:
    "no-old-data" = no_old_data;
};

/// The raw call. Nothing of the allocator lies above the tests' memory.
fn sbrk(bytes: isize) -> isize {
    // SAFETY: the tests of this file allocate nothing while their own memory is on top.
    unsafe { sys::sbrk(bytes) }
}

fn grows() -> Outcome {
    let mut top = sbrk(0);
    for i in 0..1000 {
        let old = sbrk(1);
        expect_eq!(old, top, "the break before growth {i} by one byte");
        // SAFETY: the byte is ours.
        unsafe { poke(old as usize, 7) };
        top = old + 1;
    }
    expect_eq!(sbrk(0), top, "the break");
    Ok(())
}

fn shrinks() -> Outcome {
    let base = grow_touched(10)?;
    let top = base + 10 * PAGE_SIZE;
    expect_eq!(
        sbrk(-(4 * PAGE_SIZE as isize)),
        top as isize,
        "the break before shrinking"
    );
    expect_eq!(
        sbrk(0) as usize,
        base + 6 * PAGE_SIZE,
        "the break after shrinking"
    );
    expect_eq!(peek(base), 1, "a byte that stays");
    expect_eq!(
        sbrk(4 * PAGE_SIZE as isize) as usize,
        base + 6 * PAGE_SIZE,
        "the break before"
    );
    for page in 6..10 {
        let first = (base + page * PAGE_SIZE).next_multiple_of(PAGE_SIZE);
        if first < top {
            expect_eq!(
                peek(first),
                0,
                "a byte of page {page}, given back and got again"
            );
        }
    }
    Ok(())
}

fn odd_sizes() -> Outcome {
    let base = sbrk(0) as usize;
    let mut top = base;
    for n in [1, 2, 4095, 4096, 4097, 8191, 3, 12_289] {
        expect_eq!(
            sbrk(n as isize) as usize,
            top,
            "the break before growth by {n}"
        );
        for at in top..top + n {
            // SAFETY: the bytes are ours.
            unsafe { poke(at, at as u8) };
        }
        top += n;
    }
    for n in [1, 4095, 4097, 5000] {
        expect_eq!(sbrk(-n) as usize, top, "the break before shrinking by {n}");
        top -= n as usize;
        for at in base..top {
            expect_eq!(peek(at), at as u8, "the byte at {at:#x}");
        }
    }
    Ok(())
}

fn huge() -> Outcome {
    let top = sbrk(0);
    for n in [
        1 << 38,
        1 << 40,
        isize::MAX,
        isize::MIN,
        isize::MIN + 1,
        -(1 << 40),
    ] {
        expect_eq!(sbrk(n), -1, "sbrk({n:#x})");
        expect_eq!(sbrk(0), top, "the break after it");
    }
    grow_touched(1)?;
    Ok(())
}

/// Lowering the break below the heap is refused, or unmaps the program and so kills it.
fn below_heap() -> Outcome {
    for keep in [0, 1, 3500, PAGE_SIZE as isize] {
        let child = harness::Kid::start(|| {
            let answer = sbrk(keep - sbrk(0));
            i32::from(answer != -1)
        })?;
        let seen = child.wait()?.code();
        expect!(
            seen == 0 || seen == abi::KILLED,
            "a refusal or the end, saw status {seen}"
        );
    }
    Ok(())
}

fn gives_back() -> Outcome {
    let before = available()?;
    for _ in 0..5 {
        grow_touched(500)?;
        let used = available()?;
        expect!(
            used + 500 <= before,
            "500 pages in use of {before}, saw {used} left"
        );
        sbrk(-(500 * PAGE_SIZE as isize));
    }
    // The break is as before, so even the page tables are freed.
    let after = available()?;
    expect!(after >= before, "{before} pages available, saw {after}");
    Ok(())
}

fn sparse() -> Outcome {
    if is_strict() {
        expect!(mem::grow(512 << 20).is_err(), "512 MiB to be refused");
        return Ok(());
    }
    let before = available()?;
    let length = 512 << 20;
    let base = mem::grow(length).or_fail("grow by 512 MiB")? as usize;
    for at in (base..base + length).step_by(2 << 20) {
        // SAFETY: the memory is ours.
        unsafe { poke(at, 3) };
        expect_eq!(peek(at + PAGE_SIZE), 0, "an untouched byte after {at:#x}");
    }
    sbrk(-(length as isize));
    let after = available()?;
    expect!(
        after >= before,
        "{before} pages available again, saw {after}"
    );
    Ok(())
}

fn promises() -> Outcome {
    if is_strict() {
        expect!(mem::grow(64 << 30).is_err(), "64 GiB to be refused");
        return Ok(());
    }
    let before = available()?;
    let base = mem::grow(64 << 30).or_fail("grow by 64 GiB")? as usize;
    // SAFETY: the memory is ours.
    unsafe { poke(base + (63 << 30), 1) };
    let after = available()?;
    expect!(
        after + 10 >= before,
        "few pages taken, saw {before} before and {after} after"
    );
    expect!(sbrk(-(64 << 30)) != -1, "the heap to shrink");
    Ok(())
}

fn random() -> Outcome {
    let mut random = Random::new(11);
    let base = sbrk(0) as usize;
    let mut length = 0;
    for _ in 0..500 {
        let n = random.below(20 * PAGE_SIZE);
        if random.below(2) == 0 {
            expect_eq!(
                sbrk(n as isize) as usize,
                base + length,
                "the break before growth"
            );
            length += n;
        } else {
            let n = n.min(length);
            expect_eq!(
                sbrk(-(n as isize)) as usize,
                base + length,
                "the break before shrinking"
            );
            length -= n;
        }
        if length > 0 {
            let at = base + random.below(length);
            // SAFETY: the byte is ours.
            unsafe { poke(at, 5) };
        }
    }
    Ok(())
}

/// Every call with a pointer, with untouched memory.
fn untouched_in_calls() -> Outcome {
    fs::write("file", b"hello").or_fail("write a file")?;
    let file = File::open("file").or_fail("open a file")?;
    let base = mem::grow(100 * PAGE_SIZE).or_fail("grow the heap")? as usize;
    let page = |i: usize| base + i * PAGE_SIZE;
    // SAFETY: all of it is ours and unused.
    unsafe {
        let n = sys::read(file.as_raw_fd(), (page(1) - 2) as *mut u8, 5);
        expect_eq!(n, 5, "bytes read over a page's end");
        expect_eq!(peek(page(1) - 2), b'h', "the first byte read");
        expect_eq!(
            sys::fstat(file.as_raw_fd(), (page(3) - 8) as *mut Stat),
            0,
            "fstat"
        );
        expect_eq!(sys::pipe((page(5) - 4) as *mut [i32; 2]), 0, "pipe");
        let child = process::fork_with(|| 0x1234).or_fail("fork")?;
        expect_eq!(sys::wait((page(7) - 2) as *mut i32), child as isize, "wait");
        expect_eq!(peek(page(7) - 1), 0x12, "the second byte of the status");
        let size = size_of::<abi::MemInfo>();
        let answer = sys::meminfo((page(9) - 60) as *mut abi::MemInfo, size, 0);
        expect_eq!(answer, size as isize, "meminfo");
    }
    let out = File::create("out").or_fail("create a file")?;
    let n = sys::write(out.as_raw_fd(), page(20) as *const u8, 3 * PAGE_SIZE);
    expect_eq!(
        n,
        3 * PAGE_SIZE as isize,
        "bytes written from untouched memory"
    );
    let seen = fs::read("out").or_fail("read it back")?;
    expect!(seen.iter().all(|&byte| byte == 0), "only zeros written");
    // An untouched string is an empty one.
    expect_eq!(
        sys::open(page(40) as *const u8, 0x202),
        -1,
        "open to create the empty path"
    );
    expect_eq!(
        sys::exec(page(50) as *const u8, page(51) as *const *const u8),
        -1,
        "exec"
    );
    Ok(())
}

fn reads_zero() -> Outcome {
    let before = available()?;
    let base = mem::grow(1000 * PAGE_SIZE).or_fail("grow the heap")? as usize;
    for page in 0..1000 {
        expect_eq!(
            peek(base + page * PAGE_SIZE + 9),
            0,
            "a byte of untouched page {page}"
        );
    }
    // Reading the heap takes pages and a few page tables; the later write takes no more.
    let read = before - available()?;
    expect!(
        (1000..1020).contains(&read),
        "1000 pages and few more taken by reading, saw {read}"
    );
    // SAFETY: the kernel just gave these pages to us.
    unsafe { fill(base, 1000, 1) };
    let written = before - available()?;
    expect_eq!(written, read, "pages taken when they are written too");
    Ok(())
}

fn fork_apart() -> Outcome {
    let base = grow_touched(2)?;
    ends_with(0, "moving its own break", || {
        let grown = mem::grow(5 * PAGE_SIZE).is_ok();
        let shrunk = sbrk(-(6 * PAGE_SIZE as isize)) != -1;
        i32::from(!grown || !shrunk)
    })?;
    expect_eq!(sbrk(0) as usize, base + 2 * PAGE_SIZE, "the parent's break");
    expect_eq!(peek(base + PAGE_SIZE), 1, "the parent's byte");
    let above = (base + 2 * PAGE_SIZE).next_multiple_of(PAGE_SIZE);
    dies("reading what only a child got", || peek(above))
}

/// A process fills all memory with a pattern; the next one must see zeros.
fn no_old_data() -> Outcome {
    ends_with(0, "leaving a pattern everywhere", || {
        let base = sbrk(0) as usize;
        if fill_memory(200).is_err() {
            return 1;
        }
        for at in (base..sbrk(0) as usize - PAGE_SIZE).step_by(512) {
            // SAFETY: the memory is ours.
            unsafe { poke(at, 0x5a) };
        }
        0
    })?;
    let pages = (available()? - 200) as usize;
    let base = mem::grow(pages * PAGE_SIZE).or_fail("grow the heap")? as usize;
    for page in 0..pages {
        let first = base + page * PAGE_SIZE;
        // SAFETY: the memory is ours; the write makes the kernel provide a page.
        unsafe { poke(first, 1) };
        for at in (first + 8..first + PAGE_SIZE).step_by(504) {
            expect_eq!(peek(at), 0, "a byte of new page {page}");
        }
    }
    Ok(())
}
