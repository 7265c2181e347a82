//! Invalid pointers, counts, descriptors and strings.

use abi::{MAXPATH, MAXVA, MMAP_BASE, PAGE_SIZE, Stat, Sys, USER_TOP};
use core::ptr;
use harness::{Expect, Outcome, Test, grow_touched, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::Read;
use ulib::{mem, process, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "bad-pointer-read" = read,
    "bad-pointer-write" = write,
    "bad-pointer-pipe-data" = pipe_data,
    "bad-pointer-pipe" = pipe,
    "bad-pointer-fstat" = fstat,
    "bad-pointer-wait" = wait,
    "bad-pointer-meminfo" = meminfo,
    "bad-pointer-path" = path,
    "bad-pointer-argv" = argv,
    "read-into-text" = into_text,
    "write-from-text" = from_text,
    "buffer-runs-off" = buffer_runs_off,
    "string-runs-off-page" = string_runs_off,
    "string-without-end" = string_without_end,
    "path-too-long" = path_too_long,
    "absurd-counts" = absurd_counts,
    "unknown-calls" = unknown_calls,
    "bad-file-numbers" = bad_descriptors;
    slow:;
};

/// Addresses that are never mapped.
pub(crate) const WILD: [usize; 13] = [
    0x8000_0000,
    MMAP_BASE as usize,
    USER_TOP as usize,
    MAXVA as usize - PAGE_SIZE,
    MAXVA as usize - 1,
    MAXVA as usize,
    1 << 39,
    1 << 63,
    0xffff_ffc0_0000_0000,
    0xffff_ffff_8000_0000,
    usize::MAX - PAGE_SIZE + 1,
    usize::MAX - 7,
    usize::MAX,
];

/// A file of three pages.
fn file() -> Result<File, ulib::string::String> {
    fs::write("file", vec![b'x'; 3 * PAGE_SIZE]).or_fail("write a file")?;
    File::open("file").or_fail("open a file")
}

fn read() -> Outcome {
    let mut file = file()?;
    for address in WILD {
        for n in [1, 8, 2 * PAGE_SIZE] {
            // SAFETY: nothing of ours is there.
            let seen = unsafe { sys::read(file.as_raw_fd(), address as *mut u8, n) };
            expect_eq!(seen, -1, "read of {n} bytes to {address:#x}");
        }
    }
    let seen = file.read(&mut [0; 10]).or_fail("read after the bad ones")?;
    expect_eq!(seen, 10, "bytes read after the bad ones");
    Ok(())
}

fn write() -> Outcome {
    let file = File::create("file").or_fail("create a file")?;
    for address in WILD {
        for n in [1, 8, 2 * PAGE_SIZE] {
            let seen = sys::write(file.as_raw_fd(), address as *const u8, n);
            expect_eq!(seen, -1, "write of {n} bytes from {address:#x}");
        }
    }
    let length = file.metadata().or_fail("stat the file")?.len();
    expect_eq!(length, 0, "bytes in the file after writes that failed");
    Ok(())
}

fn pipe_data() -> Outcome {
    let (mut from, to) = process::pipe().or_fail("create a pipe")?;
    for address in WILD {
        let seen = sys::write(to.as_raw_fd(), address as *const u8, 8);
        expect_eq!(seen, -1, "write to a pipe from {address:#x}");
        expect_eq!(
            sys::write(to.as_raw_fd(), b"y".as_ptr(), 1),
            1,
            "good write to the pipe"
        );
        // SAFETY: nothing of ours is there.
        let seen = unsafe { sys::read(from.as_raw_fd(), address as *mut u8, 8) };
        expect_eq!(seen, -1, "read from a pipe to {address:#x}");
        // A failed read may lose its byte; the pipe must still work.
        expect_eq!(
            sys::write(to.as_raw_fd(), b"z".as_ptr(), 1),
            1,
            "good write to the pipe"
        );
        let n = from.read(&mut [0; 8]).or_fail("read from the pipe")?;
        expect!(n == 1 || n == 2, "1 or 2 bytes from the pipe, saw {n}");
    }
    Ok(())
}

fn pipe() -> Outcome {
    for address in WILD {
        // SAFETY: nothing of ours is there.
        let seen = unsafe { sys::pipe(address as *mut [i32; 2]) };
        expect_eq!(seen, -1, "pipe({address:#x})");
    }
    // The descriptors must be free again.
    let (from, to) = process::pipe().or_fail("create a pipe")?;
    let highest = from.as_raw_fd().max(to.as_raw_fd());
    expect!(
        highest < 10,
        "low file descriptors after failed calls, saw {highest}"
    );
    Ok(())
}

fn fstat() -> Outcome {
    let file = file()?;
    for address in WILD {
        // SAFETY: nothing of ours is there.
        let seen = unsafe { sys::fstat(file.as_raw_fd(), address as *mut Stat) };
        expect_eq!(seen, -1, "fstat to {address:#x}");
    }
    Ok(())
}

fn wait() -> Outcome {
    for address in WILD {
        let child = process::fork_with(|| 0).or_fail("fork")?;
        // SAFETY: nothing of ours is there.
        let seen = unsafe { sys::wait(address as *mut i32) };
        expect_eq!(seen, -1, "wait({address:#x})");
        // A failed wait does not reap the child.
        // SAFETY: null is allowed.
        let seen = unsafe { sys::wait(ptr::null_mut()) };
        expect_eq!(seen, child as isize, "the child, reaped afterwards");
    }
    Ok(())
}

fn meminfo() -> Outcome {
    for address in WILD {
        // SAFETY: nothing of ours is there.
        let seen = unsafe { sys::meminfo(address as *mut abi::MemInfo, 64, 0) };
        expect_eq!(seen, -1, "meminfo to {address:#x}");
    }
    Ok(())
}

fn path() -> Outcome {
    let good = c"good".to_bytes_with_nul().as_ptr();
    fs::write("good", b"").or_fail("write a file")?;
    for address in WILD {
        let bad = address as *const u8;
        let cases = [
            ("open", sys::open(bad, 0)),
            ("open to create", sys::open(bad, 0x202)),
            ("mkdir", sys::mkdir(bad)),
            ("mknod", sys::mknod(bad, 1, 0)),
            ("chdir", sys::chdir(bad)),
            ("unlink", sys::unlink(bad)),
            ("link, old", sys::link(bad, good)),
            ("link, new", sys::link(good, bad)),
            ("exec", sys::exec(bad, [good, ptr::null()].as_ptr())),
        ];
        for (call, seen) in cases {
            expect_eq!(seen, -1, "{call} with a path at {address:#x}");
        }
    }
    Ok(())
}

fn argv() -> Outcome {
    // A program that exits with 1 if it runs.
    let program = c"/kill".to_bytes_with_nul().as_ptr();
    for address in WILD {
        let seen = sys::exec(program, address as *const *const u8);
        expect_eq!(seen, -1, "exec with argv at {address:#x}");
        let seen = sys::exec(
            program,
            [program, address as *const u8, ptr::null()].as_ptr(),
        );
        expect_eq!(seen, -1, "exec with an argument at {address:#x}");
    }
    Ok(())
}

/// The kernel must not write to the program's code at address 0.
fn into_text() -> Outcome {
    let file = file()?;
    let before: [u8; 16] = core::array::from_fn(|i| peek(PAGE_SIZE + i));
    // SAFETY: the kernel must refuse to write there.
    let cases = unsafe {
        [
            (
                "read",
                sys::read(file.as_raw_fd(), PAGE_SIZE as *mut u8, 16),
            ),
            (
                "fstat",
                sys::fstat(file.as_raw_fd(), PAGE_SIZE as *mut Stat),
            ),
            ("pipe", sys::pipe(PAGE_SIZE as *mut [i32; 2])),
            (
                "meminfo",
                sys::meminfo(PAGE_SIZE as *mut abi::MemInfo, 64, 0),
            ),
        ]
    };
    for (call, seen) in cases {
        expect_eq!(seen, -1, "{call} into the program's code");
    }
    let after: [u8; 16] = core::array::from_fn(|i| peek(PAGE_SIZE + i));
    expect_eq!(after, before, "the program's code");
    Ok(())
}

fn from_text() -> Outcome {
    let file = File::create("file").or_fail("create a file")?;
    let seen = sys::write(file.as_raw_fd(), PAGE_SIZE as *const u8, 100);
    expect_eq!(seen, 100, "bytes written from the program's code");
    Ok(())
}

/// Buffers that run past mapped memory.
fn buffer_runs_off() -> Outcome {
    let mut file = file()?;
    let base = grow_touched(2)?;
    let end = base + 2 * PAGE_SIZE;
    let in_page = end - 100;
    // SAFETY: the bytes up to `end` are ours, and nothing is mapped after it.
    let seen = unsafe { sys::read(file.as_raw_fd(), in_page as *mut u8, 200) };
    expect!(seen <= 100, "at most the 100 bytes that fit, saw {seen}");
    let seen = sys::write(file.as_raw_fd(), in_page as *const u8, 200);
    expect_eq!(seen, -1, "write to a file opened for reading");
    let out = File::create("out").or_fail("create a file")?;
    let seen = sys::write(out.as_raw_fd(), in_page as *const u8, 200);
    expect!(
        seen <= 100,
        "at most the 100 bytes that are there, saw {seen}"
    );
    // SAFETY: as above.
    let seen = unsafe { sys::fstat(file.as_raw_fd(), (end - 8) as *mut Stat) };
    expect_eq!(seen, -1, "fstat over the end of memory");
    // SAFETY: as above.
    let seen = unsafe { sys::pipe((end - 4) as *mut [i32; 2]) };
    expect_eq!(seen, -1, "pipe over the end of memory");
    let n = file.read(&mut [0; 10]).or_fail("read after the bad ones")?;
    expect_eq!(n, 10, "bytes read after the bad ones");
    Ok(())
}

/// An unterminated path at the end of mapped memory; then one that just fits.
fn string_runs_off() -> Outcome {
    let base = grow_touched(1)?;
    let end = base + PAGE_SIZE;
    for i in 1..=10 {
        // SAFETY: the page is ours.
        unsafe { poke(end - i, b'p') };
    }
    let path = (end - 10) as *const u8;
    expect_eq!(
        sys::open(path, 0x202),
        -1,
        "open of a path that runs off its page"
    );
    expect_eq!(
        sys::exec(path, ptr::null()),
        -1,
        "exec of a path that runs off its page"
    );
    let program = c"/kill".to_bytes_with_nul().as_ptr();
    let argv = [program, path, ptr::null()];
    expect_eq!(
        sys::exec(program, argv.as_ptr()),
        -1,
        "exec with an argument that runs off"
    );
    // An unterminated argv at the end of mapped memory.
    let last = (end - 8) as *mut *const u8;
    // SAFETY: the page is ours.
    unsafe { last.write(program) };
    expect_eq!(
        sys::exec(program, last),
        -1,
        "exec with an argv that runs off its page"
    );
    // SAFETY: the page is ours.
    unsafe { poke(end - 1, 0) };
    for i in 2..=10 {
        // SAFETY: the page is ours.
        unsafe { poke(end - i, b'p') };
    }
    let fd = sys::open(path, 0x202);
    expect!(fd >= 0, "open of a path that ends with its page, saw {fd}");
    expect!(fs::metadata("ppppppppp").is_ok(), "the file with that name");
    Ok(())
}

fn string_without_end() -> Outcome {
    let pages = 4;
    let base = grow_touched(pages)?;
    for i in 0..pages * PAGE_SIZE {
        // SAFETY: the pages are ours.
        unsafe { poke(base + i, b'/') };
    }
    let path = base as *const u8;
    expect_eq!(sys::open(path, 0), -1, "open of a path without an end");
    expect_eq!(sys::mkdir(path), -1, "mkdir of a path without an end");
    expect_eq!(sys::unlink(path), -1, "unlink of a path without an end");
    Ok(())
}

fn path_too_long() -> Outcome {
    let mut path = [b'/'; MAXPATH + 1];
    path[MAXPATH] = 0;
    path[MAXPATH - 1] = b'.';
    expect_eq!(
        sys::open(path.as_ptr(), 0),
        -1,
        "open of a path of {MAXPATH} bytes"
    );
    // One byte less leaves room for the terminator.
    expect!(
        sys::open(path[1..].as_ptr(), 0) >= 0,
        "open of the longest path to work"
    );
    Ok(())
}

fn absurd_counts() -> Outcome {
    let file = file()?;
    let out = File::create("out").or_fail("create a file")?;
    let (from, to) = process::pipe().or_fail("create a pipe")?;
    let base = grow_touched(1)?;
    for n in [usize::MAX, 1 << 63, (1 << 63) - 1, 1 << 40] {
        // SAFETY: at most one page from `base` is ours, and free to be overwritten.
        let seen = unsafe { sys::read(file.as_raw_fd(), base as *mut u8, n) };
        expect!(
            seen <= PAGE_SIZE as isize,
            "at most a page from read of {n:#x}, saw {seen}"
        );
        let seen = sys::write(out.as_raw_fd(), base as *const u8, n);
        expect!(
            seen <= PAGE_SIZE as isize,
            "at most a page from write of {n:#x}, saw {seen}"
        );
    }
    for n in [usize::MAX, 1 << 63] {
        let seen = sys::write(to.as_raw_fd(), base as *const u8, n);
        expect_eq!(seen, -1, "write of {n:#x} bytes to a pipe");
        drop(to.try_clone().or_fail("use the pipe after that")?);
    }
    drop(from);
    Ok(())
}

fn unknown_calls() -> Outcome {
    let highest = Sys::ALL
        .iter()
        .map(|&(number, _)| number)
        .max()
        .unwrap_or(0) as usize;
    for number in [
        0,
        highest + 1,
        highest + 2,
        1000,
        1 << 32,
        (1 << 32) + 11,
        usize::MAX,
    ] {
        // SAFETY: there are no such calls.
        let seen = unsafe { sys::call(number, [0; 6]) };
        expect_eq!(seen, -1, "call number {number}");
    }
    Ok(())
}

fn bad_descriptors() -> Outcome {
    let closed = {
        let file = file()?;
        file.as_raw_fd()
    };
    let mut stat = Stat::default();
    let mut buffer = [0; 8];
    for fd in [closed, -1, 99, 1 << 20, i32::MAX, i32::MIN] {
        // SAFETY: the buffers are ours.
        let cases = unsafe {
            [
                ("read", sys::read(fd, buffer.as_mut_ptr(), 8)),
                ("write", sys::write(fd, buffer.as_ptr(), 8)),
                ("fstat", sys::fstat(fd, &mut stat)),
                ("dup", sys::dup(fd)),
                ("close", sys::close(fd)),
            ]
        };
        for (call, seen) in cases {
            expect_eq!(seen, -1, "{call} of file descriptor {fd}");
        }
    }
    mem::info(abi::MemInfoFlags::empty()).or_fail("go on")?;
    Ok(())
}
