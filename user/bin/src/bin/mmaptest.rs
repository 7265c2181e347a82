//! `mmaptest [NAME…]`: anonymous mappings.
#![no_std]
#![no_main]

use abi::{MAXVA, MMAP_BASE, MapFlags, PAGE_SIZE, Prot, USER_TOP};
use programs::harness::{
    Expect, Kid, Outcome, Tally, Test, dies, ends_with, fill_memory, peek, poke, suite,
};
use programs::random::Random;
use programs::{expect, expect_eq, tests};
use ulib::mem::Mapping;
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, main, sys};

main!(main);

const TESTS: &[Test] = tests! {
    quick:
    "zeroed" = zeroed,
    "aligned" = aligned,
    "seeds-own-flags" = seeds_own_flags,
    "hint-taken" = hint_taken,
    "hint-rounded" = hint_rounded,
    "hint-occupied" = hint_occupied,
    "hint-absurd" = hint_absurd,
    "length-rounded" = length_rounded,
    "length-absurd" = length_absurd,
    "bad-arguments" = bad_arguments,
    "many" = many,
    "any-order" = any_order,
    "lowest-gap" = lowest_gap,
    "lazy" = lazy,
    "unmapped-faults" = unmapped_faults,
    "unmap-part" = unmap_part,
    "unmap-several" = unmap_several,
    "unmap-nothing" = unmap_nothing,
    "no-old-data" = no_old_data,
    "fork-copies" = fork_copies,
    "calls-into-mapping" = calls_into_mapping,
    "heap-apart" = heap_apart,
    "read-only" = read_only,
    "exit-gives-back" = exit_gives_back,
    "kill-gives-back" = kill_gives_back,
    "exec-gives-back" = exec_gives_back,
    "too-much" = too_much;
    slow:;
};

fn main() -> i32 {
    suite(&[TESTS])
}

/// Maps as the first seed does: no flags, no file.
fn map_at(hint: usize, length: usize) -> Result<usize, String> {
    // SAFETY: without `FIXED` nothing is replaced.
    match unsafe { sys::mmap(hint, length, 3, 0, -1, 0) } {
        -1 => Err(format!(
            "expected a mapping of {length} bytes, but: the kernel refused"
        )),
        base => Ok(base as usize),
    }
}

fn map(length: usize) -> Result<usize, String> {
    map_at(0, length)
}

fn unmap(base: usize, length: usize) -> Outcome {
    // SAFETY: the tests keep no references into their mappings.
    let answer = unsafe { sys::munmap(base, length) };
    expect_eq!(answer, 0, "munmap({base:#x}, {length})");
    Ok(())
}

fn fill(base: usize, length: usize, byte: u8) {
    for at in (base..base + length).step_by(PAGE_SIZE / 8) {
        // SAFETY: the callers pass mappings of their own.
        unsafe { poke(at, byte) };
    }
}

fn check(base: usize, length: usize, byte: u8, what: &str) -> Outcome {
    for at in (base..base + length).step_by(PAGE_SIZE / 8) {
        expect_eq!(peek(at), byte, "{what} at {at:#x}");
    }
    Ok(())
}

fn zeroed() -> Outcome {
    let length = 64 * PAGE_SIZE;
    let base = map(length)?;
    for at in base..base + length {
        expect_eq!(peek(at), 0, "a new byte at {at:#x}");
    }
    unmap(base, length)
}

fn aligned() -> Outcome {
    for length in [
        1,
        100,
        PAGE_SIZE - 1,
        PAGE_SIZE,
        PAGE_SIZE + 1,
        10 * PAGE_SIZE + 5,
    ] {
        let base = map(length)?;
        expect_eq!(base % PAGE_SIZE, 0, "{base:#x} within its page");
        expect!(
            base as u64 >= MMAP_BASE,
            "an address from {MMAP_BASE:#x} on, saw {base:#x}"
        );
    }
    Ok(())
}

fn seeds_own_flags() -> Outcome {
    // SAFETY: without `FIXED` nothing is replaced.
    let base = unsafe { sys::mmap(0, PAGE_SIZE, 0, 0, -1, 0) };
    expect!(
        base != -1,
        "a mapping with flags 0 and protection 0, saw -1"
    );
    fill(base as usize, PAGE_SIZE, 1);
    check(base as usize, PAGE_SIZE, 1, "a written byte")
}

fn hint_taken() -> Outcome {
    let hint = MMAP_BASE as usize + (1 << 30);
    let base = map_at(hint, 3 * PAGE_SIZE)?;
    expect_eq!(base, hint, "the address with a free hint");
    fill(base, 3 * PAGE_SIZE, 1);
    unmap(base, 3 * PAGE_SIZE)
}

fn hint_rounded() -> Outcome {
    let page = MMAP_BASE as usize + (1 << 30);
    let base = map_at(page + 123, PAGE_SIZE)?;
    expect_eq!(base % PAGE_SIZE, 0, "{base:#x} within its page");
    expect!(
        base.abs_diff(page) <= PAGE_SIZE,
        "a page beside {page:#x}, saw {base:#x}"
    );
    Ok(())
}

fn hint_occupied() -> Outcome {
    let length = 4 * PAGE_SIZE;
    let first = map(length)?;
    fill(first, length, 1);
    for hint in [first, first + PAGE_SIZE, first - PAGE_SIZE] {
        let other = map_at(hint, 2 * PAGE_SIZE)?;
        let apart = other + 2 * PAGE_SIZE <= first || other >= first + length;
        expect!(apart, "a mapping outside {first:#x}, saw {other:#x}");
        check(other, 2 * PAGE_SIZE, 0, "a new byte")?;
        fill(other, 2 * PAGE_SIZE, 2);
    }
    check(first, length, 1, "the occupant's byte")
}

/// Hints at text, heap, stack and where nothing can ever be are no errors, but not taken.
fn hint_absurd() -> Outcome {
    let local = 0_u8;
    let heap = ulib::boxed::Box::new(0_u8);
    let occupied = [
        PAGE_SIZE,
        (&raw const local) as usize,
        (&raw const *heap) as usize,
    ];
    let impossible = [USER_TOP as usize, MAXVA as usize, 1 << 63, usize::MAX - 100];
    for hint in occupied.into_iter().chain(impossible) {
        let base = map_at(hint, PAGE_SIZE)?;
        let page = hint & !(PAGE_SIZE - 1);
        expect!(base != page, "another place than {hint:#x}");
        check(base, PAGE_SIZE, 0, "a new byte")?;
    }
    Ok(())
}

fn length_rounded() -> Outcome {
    let base = map(1)?;
    fill(base, PAGE_SIZE, 1);
    unmap(base, 1)?;
    dies("touching a page unmapped by its first byte", || {
        peek(base + PAGE_SIZE - 1)
    })
}

fn length_absurd() -> Outcome {
    for length in [
        0,
        MAXVA as usize,
        1 << 62,
        1 << 63,
        usize::MAX,
        usize::MAX - PAGE_SIZE,
    ] {
        for hint in [0, MMAP_BASE as usize, MMAP_BASE as usize + PAGE_SIZE] {
            // SAFETY: without `FIXED` nothing is replaced.
            let seen = unsafe { sys::mmap(hint, length, 3, 0, -1, 0) };
            expect_eq!(seen, -1, "mmap({hint:#x}, {length:#x})");
        }
    }
    let base = map(PAGE_SIZE)?;
    for length in [0, 1 << 63, usize::MAX] {
        // SAFETY: the mapping is not used.
        let seen = unsafe { sys::munmap(base, length) };
        expect_eq!(seen, -1, "munmap of {length:#x} bytes");
    }
    unmap(base, PAGE_SIZE)
}

fn bad_arguments() -> Outcome {
    let prot = (Prot::READ | Prot::WRITE).bits();
    let flags = MapFlags::PRIVATE.bits();
    // SAFETY: without `FIXED` nothing is replaced.
    let seen = unsafe { sys::mmap(0, PAGE_SIZE, prot, flags, 999, 0) };
    expect_eq!(seen, -1, "mmap of a file that is not open");
    let base = map(2 * PAGE_SIZE)?;
    // SAFETY: the mapping is not used.
    let seen = unsafe { sys::munmap(base + 1, PAGE_SIZE) };
    expect_eq!(seen, -1, "munmap of an address within a page");
    unmap(base, 2 * PAGE_SIZE)
}

fn many() -> Outcome {
    let mut bases = Vec::new();
    for i in 0..500_usize {
        let length = (1 + i % 4) * PAGE_SIZE;
        let base = map(length)?;
        fill(base, length, i as u8);
        bases.push((base, length));
    }
    for (i, &(base, length)) in bases.iter().enumerate() {
        check(base, length, i as u8, "a byte of one of many mappings")?;
    }
    bases
        .into_iter()
        .try_for_each(|(base, length)| unmap(base, length))
}

fn any_order() -> Outcome {
    let mut random = Random::new(3);
    let mut live: Vec<(usize, usize, u8)> = Vec::new();
    for round in 0..600_usize {
        if live.len() < 20 || random.below(2) == 0 && live.len() < 100 {
            let length = (1 + random.below(8)) * PAGE_SIZE;
            let base = map(length)?;
            check(base, length, 0, "a new byte")?;
            fill(base, length, round as u8);
            live.push((base, length, round as u8));
        } else {
            let (base, length, byte) = live.swap_remove(random.below(live.len()));
            check(base, length, byte, "a byte of one of many mappings")?;
            unmap(base, length)?;
        }
    }
    live.into_iter()
        .try_for_each(|(base, length, _)| unmap(base, length))
}

fn lowest_gap() -> Outcome {
    let first = map(PAGE_SIZE)?;
    let second = map(3 * PAGE_SIZE)?;
    let third = map(PAGE_SIZE)?;
    expect!(
        first < second && second < third,
        "rising addresses, saw {first:#x} {second:#x} {third:#x}"
    );
    unmap(second, 3 * PAGE_SIZE)?;
    let big = map(4 * PAGE_SIZE)?;
    expect!(
        big > third,
        "a mapping too big for the gap behind {third:#x}, saw {big:#x}"
    );
    expect_eq!(
        map(2 * PAGE_SIZE)?,
        second,
        "the first gap that is big enough"
    );
    expect_eq!(
        map(PAGE_SIZE)?,
        second + 2 * PAGE_SIZE,
        "the rest of that gap"
    );
    unmap(first, PAGE_SIZE)?;
    expect_eq!(map(1)?, first, "the lowest gap");
    Ok(())
}

/// Promises cost nothing until they are touched.
fn lazy() -> Outcome {
    let before = programs::harness::available()?;
    let length = 8 << 30;
    let base = map(length)?;
    let after = programs::harness::available()?;
    expect!(
        before - after.min(before) < 20,
        "no pages taken, saw {before} before, {after} after"
    );
    for at in (base..base + length).step_by(length / 16) {
        fill(at, PAGE_SIZE, 9);
    }
    unmap(base, length)
}

fn unmapped_faults() -> Outcome {
    let base = map(3 * PAGE_SIZE)?;
    fill(base, 3 * PAGE_SIZE, 1);
    dies("reading behind a mapping", || peek(base + 3 * PAGE_SIZE))?;
    unmap(base, 3 * PAGE_SIZE)?;
    for page in 0..3 {
        let at = base + page * PAGE_SIZE;
        dies("reading what was unmapped", || peek(at))?;
        // SAFETY: not ours any more, which must end the process.
        dies("writing what was unmapped", || unsafe { poke(at, 1) })?;
    }
    Ok(())
}

fn unmap_part() -> Outcome {
    let page = |i: usize| i * PAGE_SIZE;
    let base = map(page(8))?;
    fill(base, page(8), 5);
    unmap(base, page(1))?;
    unmap(base + page(7), page(1))?;
    unmap(base + page(3), page(2))?;
    for gone in [0, 3, 4, 7] {
        dies("reading a page cut out", || peek(base + page(gone)))?;
    }
    check(base + page(1), page(2), 5, "a byte before the cut")?;
    check(base + page(5), page(2), 5, "a byte behind the cut")?;
    unmap(base + page(1), page(2))?;
    unmap(base + page(5), page(2))
}

fn unmap_several() -> Outcome {
    let bases: Vec<usize> = (0..4)
        .map(|_| map(2 * PAGE_SIZE))
        .collect::<Result<_, _>>()?;
    let (first, last) = (bases[0], bases[3]);
    bases.iter().for_each(|&base| fill(base, 2 * PAGE_SIZE, 6));
    expect_eq!(last, first + 6 * PAGE_SIZE, "the fourth of neighbours");
    unmap(first + PAGE_SIZE, 6 * PAGE_SIZE)?;
    check(first, PAGE_SIZE, 6, "the byte before the hole")?;
    check(last + PAGE_SIZE, PAGE_SIZE, 6, "the byte behind the hole")?;
    dies("reading in the hole", || peek(first + 3 * PAGE_SIZE))?;
    // A range with a hole in it goes as a whole.
    unmap(first, 8 * PAGE_SIZE)?;
    dies("reading before the hole", || peek(first))
}

fn unmap_nothing() -> Outcome {
    let free = MMAP_BASE as usize + (1 << 33);
    for at in [free, USER_TOP as usize, MAXVA as usize, 1 << 63] {
        // SAFETY: nothing is there.
        let seen = unsafe { sys::munmap(at, PAGE_SIZE) };
        expect_eq!(seen, -1, "munmap({at:#x}) where nothing is mapped");
    }
    let base = map(PAGE_SIZE)?;
    unmap(base, PAGE_SIZE)?;
    // SAFETY: nothing is there any more.
    let seen = unsafe { sys::munmap(base, PAGE_SIZE) };
    expect_eq!(seen, -1, "munmap for the second time");
    Ok(())
}

fn no_old_data() -> Outcome {
    for round in 0..20 {
        let length = 100 * PAGE_SIZE;
        let base = map(length)?;
        check(base, length, 0, "a new byte")?;
        fill(base, length, 0xaa);
        unmap(base, length)?;
        // Another process must not see them either.
        ends_with(0, "looking for old data", || {
            let seen = map(length).and_then(|base| {
                let seen = check(base, length, 0, "another process's new byte");
                fill(base, length, 0xbb);
                seen
            });
            i32::from(seen.is_err())
        })
        .map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}

fn fork_copies() -> Outcome {
    let length = 16 * PAGE_SIZE;
    let base = map(length)?;
    fill(base, length / 2, 1);
    let gate = programs::harness::Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        let seen = check(base, length / 2, 1, "the parent's byte")
            .and_then(|()| check(base + length / 2, length / 2, 0, "an untouched byte"));
        fill(base, length, 2);
        let unmapped = unmap(base, length);
        i32::from(seen.is_err() || unmapped.is_err())
    })?;
    fill(base, length, 3);
    gate.open();
    child.ends_with(0, "a private copy")?;
    check(base, length, 3, "the parent's byte after the child wrote")
}

fn calls_into_mapping() -> Outcome {
    let base = map(2 * PAGE_SIZE)?;
    let text = b"through the kernel";
    ulib::fs::write("file", text).or_fail("write a file")?;
    let file = ulib::fs::File::open("file").or_fail("open a file")?;
    let across = base + PAGE_SIZE - 5;
    // SAFETY: the mapping is ours.
    let n = unsafe { sys::read(file.as_raw_fd(), across as *mut u8, text.len()) };
    expect_eq!(n, text.len() as isize, "bytes read into untouched pages");
    for (i, &byte) in text.iter().enumerate() {
        expect_eq!(peek(across + i), byte, "byte {i}");
    }
    unmap(base, 2 * PAGE_SIZE)?;
    // SAFETY: nothing is there any more.
    let n = unsafe { sys::read(file.as_raw_fd(), across as *mut u8, text.len()) };
    expect!(n <= 0, "no bytes read to where nothing is mapped, saw {n}");
    Ok(())
}

fn heap_apart() -> Outcome {
    let base = map(PAGE_SIZE)?;
    fill(base, PAGE_SIZE, 4);
    let old = ulib::mem::grow(1 << 20).or_fail("grow the heap")? as usize;
    fill(old, 1 << 20, 5);
    check(base, PAGE_SIZE, 4, "the mapping's byte")?;
    // SAFETY: the mapping is not the heap's, so this must not reach it.
    let refused = unsafe { ulib::mem::sbrk(MMAP_BASE as isize) }.is_err();
    expect!(refused, "the heap to end below the mappings");
    unmap(base, PAGE_SIZE)?;
    check(old, 1 << 20, 5, "the heap's byte")
}

fn read_only() -> Outcome {
    let flags = (MapFlags::PRIVATE | MapFlags::ANONYMOUS).bits();
    // SAFETY: without `FIXED` nothing is replaced.
    let base = unsafe { sys::mmap(0, PAGE_SIZE, Prot::READ.bits(), flags, -1, 0) };
    expect!(base != -1, "a mapping, saw -1");
    let base = base as usize;
    expect_eq!(peek(base), 0, "the first byte");
    // SAFETY: may not be written, which must end the process.
    dies("writing to a read-only mapping", || unsafe {
        poke(base, 1)
    })?;
    // SAFETY: the page is ours, though the kernel must refuse to write there.
    let seen = unsafe { sys::wait(base as *mut i32) };
    expect_eq!(seen, -1, "wait without children into a read-only page");
    unmap(base, PAGE_SIZE)
}

fn exit_gives_back() -> Outcome {
    for _ in 0..5 {
        ends_with(0, "exit with mappings", || {
            let filled = (0..50).try_for_each(|_| {
                let base = map(10 * PAGE_SIZE)?;
                fill(base, 10 * PAGE_SIZE, 1);
                Ok::<(), String>(())
            });
            i32::from(filled.is_err())
        })?;
    }
    Ok(())
}

fn kill_gives_back() -> Outcome {
    let tally = Tally::new()?;
    let child = Kid::start(|| {
        let filled = map(1 << 20).map(|base| fill(base, 1 << 20, 1));
        tally.report(u8::from(filled.is_ok()));
        loop {
            core::hint::spin_loop();
        }
    })?;
    let filled = tally.listen().hear()?;
    expect_eq!(filled, 1, "whether the child could map");
    child.kill("mappings")
}

fn exec_gives_back() -> Outcome {
    ends_with(0, "exec with mappings", || {
        let Ok(mut mapping) = Mapping::anonymous(1 << 20) else {
            return 1;
        };
        mapping.fill(1);
        let Err(_) = ulib::process::Command::new("/echo").arg("-").exec();
        2
    })
}

fn too_much() -> Outcome {
    ends_with(abi::KILLED, "touching more than there is", || {
        let all = (2_usize << 30) + (1 << 20);
        let Ok(base) = map(all) else { return 1 };
        if fill_memory(64).is_err() {
            return 2;
        }
        fill(base, all, 1);
        0
    })
}
