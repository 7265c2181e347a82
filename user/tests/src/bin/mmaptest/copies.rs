//! System calls that copy from and to every kind of page.

use crate::area::{Area, PRIVATE, RW, RX, SHARED, refused};
use crate::place::FAR;
use abi::{Advice, MapFlags, PAGE_SIZE, Prot, RemapFlags, Stat};
use harness::{Expect, Gate, Kid, Outcome, Test, grow_touched, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, process, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "read-into-every-page" = read_into_every_page,
    "write-from-every-page" = write_from_every_page,
    "pipe-through-every-page" = pipe_through_every_page,
    "wait-into-every-page" = wait_into_every_page,
    "fstat-and-pipe-into-every-page" = fstat_and_pipe,
    "paths-in-every-page" = paths,
    "calls-refuse-closed-pages" = refuse_closed_pages,
    "calls-stop-at-the-end" = stop_at_the_end,
    "big-read-into-untouched-memory" = big_read;
    slow:;
};

/// A kind of two writable pages, by how they came about.
struct Kind {
    name: &'static str,
    make: fn() -> Result<Area, String>,
    /// Whether a child shares the pages meanwhile.
    forked: bool,
}

const fn kind(name: &'static str, make: fn() -> Result<Area, String>) -> Kind {
    Kind {
        name,
        make,
        forked: false,
    }
}

const fn forked(name: &'static str, make: fn() -> Result<Area, String>) -> Kind {
    Kind {
        name,
        make,
        forked: true,
    }
}

const KINDS: &[Kind] = &[
    kind("untouched", || Area::private(2)),
    kind("read before", || touched(Area::private(2)?, false)),
    kind("written before", || touched(Area::private(2)?, true)),
    kind("shared, untouched", || Area::shared(2)),
    kind("shared, written before", || touched(Area::shared(2)?, true)),
    kind("populated", || {
        Area::map(2, RW, PRIVATE | MapFlags::POPULATE)
    }),
    kind("made inaccessible and accessible", || {
        let area = touched(Area::private(2)?, true)?;
        area.protect(Prot::empty())?;
        area.protect(RW)?;
        Ok(area)
    }),
    kind("discarded", || {
        let area = touched(Area::private(2)?, true)?;
        area.advise(Advice::DontNeed)?;
        Ok(area)
    }),
    kind("moved", || {
        let area = touched(Area::map_at(FAR, 2, RW, PRIVATE)?, true)?;
        Area::map_at(area.end(), 1, Prot::READ, SHARED)?;
        let moved = area.resize(3, RemapFlags::MAYMOVE)?;
        moved.part(2, 1).unmap()?;
        Ok(moved.part(0, 2))
    }),
    kind("of a large mapping", || {
        Ok(Area::private(2048)?.part(1023, 2))
    }),
    kind("of the heap", || {
        Ok(Area {
            base: grow_touched(2)?,
            pages: 2,
        })
    }),
    forked("copied by a fork", || touched(Area::private(2)?, true)),
    forked("read before a fork", || touched(Area::private(2)?, false)),
    forked("shared by a fork", || touched(Area::shared(2)?, true)),
];

fn touched(area: Area, write: bool) -> Result<Area, String> {
    if write {
        area.fill(0xee);
    } else {
        area.holds(0, "an untouched byte")?;
    }
    Ok(area)
}

/// Runs `act` with new pages of each kind.
fn with_each(mut act: impl FnMut(Area) -> Outcome) -> Outcome {
    for kind in KINDS {
        let area = (kind.make)()?;
        let outcome = if kind.forked {
            let private = kind.name != "shared by a fork";
            let before = [area.get(0), area.get(1)];
            let gate = Gate::new()?;
            let child = Kid::start(|| {
                gate.pass();
                i32::from(private && [area.get(0), area.get(1)] != before)
            })?;
            let outcome = act(area);
            gate.open();
            let same = child.ends_with(0, "keeping its own copy");
            outcome.and(same)
        } else {
            act(area)
        };
        outcome.map_err(|error| format!("{}: {error}", kind.name))?;
        // The heap's pages stay the heap's.
        if kind.name != "of the heap" {
            area.unmap()?;
        }
    }
    Ok(())
}

const TEXT: &[u8] = b"across a page boundary";

/// The address of [`TEXT`], across both pages.
fn across(area: Area) -> usize {
    area.at(1) - TEXT.len() / 2
}

fn put_text(area: Area) {
    for (i, &byte) in TEXT.iter().enumerate() {
        // SAFETY: the pages are the test's own.
        unsafe { poke(across(area) + i, byte) };
    }
}

fn has_text(area: Area, what: &str) -> Outcome {
    let seen: Vec<u8> = (0..TEXT.len()).map(|i| peek(across(area) + i)).collect();
    expect_eq!(seen, TEXT, "{what}");
    Ok(())
}

/// The raw `read`.
fn read(fd: i32, at: usize, length: usize) -> isize {
    // SAFETY: the pages are the test's own, or the call is refused.
    unsafe { sys::read(fd, at as *mut u8, length) }
}

fn write(fd: i32, at: usize, length: usize) -> isize {
    sys::write(fd, at as *const u8, length)
}

fn read_into_every_page() -> Outcome {
    fs::write("file", TEXT).or_fail("write a file")?;
    with_each(|area| {
        let file = File::open("file").or_fail("open a file")?;
        let n = read(file.as_raw_fd(), across(area), TEXT.len());
        expect_eq!(n, TEXT.len() as isize, "bytes read");
        has_text(area, "what was read")
    })
}

fn write_from_every_page() -> Outcome {
    with_each(|area| {
        let file = File::create("file").or_fail("create a file")?;
        let before = [area.get(0), area.get(1)];
        let n = write(file.as_raw_fd(), area.base, 2 * PAGE_SIZE);
        expect_eq!(n, 2 * PAGE_SIZE as isize, "bytes written");
        let seen = fs::read("file").or_fail("read the file")?;
        expect_eq!(seen.len(), 2 * PAGE_SIZE, "bytes in the file");
        expect_eq!([seen[0], seen[PAGE_SIZE]], before, "bytes of the file");
        Ok(())
    })
}

fn pipe_through_every_page() -> Outcome {
    with_each(|area| {
        let (from, to) = process::pipe().or_fail("create a pipe")?;
        put_text(area);
        let n = write(to.as_raw_fd(), across(area), TEXT.len());
        expect_eq!(n, TEXT.len() as isize, "bytes written to a pipe");
        area.fill(0);
        let n = read(from.as_raw_fd(), across(area), 2 * TEXT.len());
        expect_eq!(n, TEXT.len() as isize, "bytes read from a pipe");
        has_text(area, "what came through a pipe")
    })?;
    // Only the call touches the pages.
    with_each(|area| {
        let (from, to) = process::pipe().or_fail("create a pipe")?;
        let n = write(to.as_raw_fd(), TEXT.as_ptr() as usize, TEXT.len());
        expect_eq!(n, TEXT.len() as isize, "bytes written to a pipe");
        let n = read(from.as_raw_fd(), across(area), TEXT.len());
        expect_eq!(n, TEXT.len() as isize, "bytes read from a pipe");
        has_text(area, "what came out of a pipe")
    })
}

/// A wait status that crosses the page boundary.
fn wait_into_every_page() -> Outcome {
    with_each(|area| {
        // In a process that has no other children.
        harness::ends_with(0, "waiting", || {
            let Ok(pid) = process::fork_with(|| 0x1234_5678) else {
                return 1;
            };
            let place = area.at(1) - 2;
            // SAFETY: the pages are ours; the kernel copies bytes.
            let waited = unsafe { sys::wait(place as *mut i32) };
            let bytes = [0, 1, 2, 3].map(|i| peek(place + i));
            i32::from(waited != pid as isize || bytes != 0x1234_5678_i32.to_le_bytes())
        })
    })
}

fn fstat_and_pipe() -> Outcome {
    fs::write("file", TEXT).or_fail("write a file")?;
    let file = File::open("file").or_fail("open a file")?;
    let mut good = Stat::default();
    // SAFETY: the structure is ours.
    let answer = unsafe { sys::fstat(file.as_raw_fd(), &mut good) };
    expect_eq!(answer, 0, "fstat");
    with_each(|area| {
        let place = area.at(1) - 8;
        // SAFETY: the pages are ours; the kernel copies bytes.
        let answer = unsafe { sys::fstat(file.as_raw_fd(), place as *mut Stat) };
        expect_eq!(answer, 0, "fstat across two pages");
        let size: Vec<u8> = (16..24).map(|i| peek(place + i)).collect();
        expect_eq!(size, good.size.to_le_bytes(), "the size it tells");
        Ok(())
    })?;
    with_each(|area| {
        let place = area.at(1) - 4;
        // SAFETY: as above.
        let answer = unsafe { sys::pipe(place as *mut [i32; 2]) };
        expect_eq!(answer, 0, "pipe across two pages");
        let end = |at: usize| i32::from_le_bytes([0, 1, 2, 3].map(|i| peek(at + i)));
        let (from, to) = (end(place), end(place + 4));
        expect_eq!(write(to, TEXT.as_ptr() as usize, 5), 5, "bytes written");
        expect_eq!(read(from, area.base, 9), 5, "bytes read");
        expect_eq!(sys::close(from), 0, "closing one end");
        expect_eq!(sys::close(to), 0, "closing the other");
        Ok(())
    })
}

/// A path that crosses the page boundary.
fn paths() -> Outcome {
    fs::write("border.txt", TEXT).or_fail("write a file")?;
    with_each(|area| {
        let place = area.at(1) - 4;
        for (i, &byte) in b"border.txt\0".iter().enumerate() {
            // SAFETY: the pages are ours.
            unsafe { poke(place + i, byte) };
        }
        let fd = sys::open(place as *const u8, 0);
        expect!(fd >= 0, "a file opened by a path across pages, saw {fd}");
        expect_eq!(sys::close(fd as i32), 0, "closing it");
        Ok(())
    })?;
    // A path that ends at an unmapped page, unterminated.
    let area = Area::map_at(FAR, 1, RW, PRIVATE)?;
    area.fill(b'x');
    for at in [area.end() - 1, area.end() - 100, area.end()] {
        for byte in at..area.end() {
            // SAFETY: the page is ours.
            unsafe { poke(byte, b'x') };
        }
        refused(sys::open(at as *const u8, 0), "open of a path without end")?;
        refused(sys::unlink(at as *const u8), "unlink of the same")?;
    }
    Ok(())
}

/// Calls respect page protection: they return -1 and the program goes on.
fn refuse_closed_pages() -> Outcome {
    fs::write("file", TEXT).or_fail("write a file")?;
    let closed = Area::map(1, Prot::empty(), PRIVATE)?;
    let was_open = touched(Area::private(1)?, true)?;
    was_open.protect(Prot::empty())?;
    let gone = Area::map_at(FAR, 1, RW, PRIVATE)?;
    gone.unmap()?;
    let code_only = Area::map(1, Prot::EXEC, PRIVATE)?;
    let read_only = Area::map(1, Prot::READ, PRIVATE)?;
    let code = touched(Area::private(1)?, true)?;
    code.protect(RX)?;
    let text = refuse_closed_pages as fn() -> Outcome as usize & !(PAGE_SIZE - 1);
    let text = Area {
        base: text,
        pages: 1,
    };
    let unreadable = [closed, was_open, gone, code_only];
    let unwritable = [read_only, code, text];
    for area in unreadable.into_iter().chain(unwritable) {
        refuses_to_write(area)?;
    }
    for area in unreadable {
        let file = File::create("out").or_fail("create a file")?;
        refused(write(file.as_raw_fd(), area.base, 10), "write from there")?;
        refused(sys::open(area.base as *const u8, 0), "open by a path there")?;
        let size = fs::metadata("out").or_fail("stat the file")?.len();
        expect_eq!(size, 0, "bytes in the file");
    }
    code.holds(0xee, "a byte of read-only memory")?;
    was_open.protect(RW)?;
    was_open.holds(0xee, "a byte of inaccessible memory")
}

fn refuses_to_write(area: Area) -> Outcome {
    let file = File::open("file").or_fail("open a file")?;
    refused(read(file.as_raw_fd(), area.base, 10), "read to there")?;
    // SAFETY: the calls must be refused.
    let answer = unsafe { sys::fstat(file.as_raw_fd(), area.base as *mut Stat) };
    refused(answer, "fstat to there")?;
    // SAFETY: as above.
    let answer = unsafe { sys::pipe(area.base as *mut [i32; 2]) };
    refused(answer, "pipe to there")?;
    let pid = process::fork_with(|| 5).or_fail("fork")?;
    // SAFETY: as above.
    let answer = unsafe { sys::wait(area.base as *mut i32) };
    refused(answer, "wait to there")?;
    // The child is still there to be waited for.
    let status = process::wait_for(pid).or_fail("wait again")?;
    expect_eq!(status.code(), 5, "the status of the child");
    Ok(())
}

/// A copy stops at the end of mapped memory; what was reported as copied is there.
fn stop_at_the_end() -> Outcome {
    let length = 3 * PAGE_SIZE;
    fs::write("file", ulib::vec![b'f'; length]).or_fail("write a file")?;
    let area = Area::map_at(FAR, 2, RW, PRIVATE)?;
    let file = File::open("file").or_fail("open a file")?;
    let n = read(file.as_raw_fd(), area.base, length);
    expect!(n <= area.length() as isize, "at most two pages, saw {n}");
    for i in 0..n.max(0) as usize {
        expect_eq!(peek(area.base + i), b'f', "byte {i} of {n} read");
    }
    let (from, to) = process::pipe().or_fail("create a pipe")?;
    let n = write(to.as_raw_fd(), area.end() - 100, 200);
    expect!(n <= 100, "at most 100 bytes from before the end, saw {n}");
    drop(to);
    let mut seen = 0;
    while read(from.as_raw_fd(), area.base, 1) == 1 {
        seen += 1;
    }
    expect_eq!(seen, n.max(0), "bytes in the pipe");
    Ok(())
}

/// Reads the largest file into untouched memory in one call.
fn big_read() -> Outcome {
    const PAGES: usize = 60;
    let mut content = Vec::new();
    for i in 0..PAGES * PAGE_SIZE {
        content.push((i / 512) as u8);
    }
    fs::write("file", &content).or_fail("write a file")?;
    for kind in [PRIVATE, SHARED] {
        let area = Area::map(PAGES, RW, kind)?;
        let file = File::open("file").or_fail("open a file")?;
        let n = read(file.as_raw_fd(), area.base, content.len());
        expect_eq!(n, content.len() as isize, "bytes read");
        for at in (0..content.len()).step_by(97) {
            expect_eq!(peek(area.base + at), content[at], "byte {at}");
        }
        area.unmap()?;
    }
    Ok(())
}
