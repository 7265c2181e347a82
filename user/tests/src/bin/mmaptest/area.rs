//! Ranges of pages, and operations on them.

use abi::{Advice, MapFlags, PAGE_SIZE, Prot, RemapFlags};
use harness::{Expect, Outcome, call, ends_with, peek, poke};
use harness::{expect, expect_eq};
use ulib::string::String;
use ulib::{format, mem, sys, vec};

/// Readable and writable.
pub(crate) const RW: Prot = Prot::READ.union(Prot::WRITE);
/// Readable and executable.
pub(crate) const RX: Prot = Prot::READ.union(Prot::EXEC);
/// Flags of private anonymous memory.
pub(crate) const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
/// Flags of shared anonymous memory.
pub(crate) const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);

/// Distance between the bytes that are written and checked.
const STEP: usize = PAGE_SIZE / 8;

/// The raw call: an address or -1.
pub(crate) fn mmap(hint: usize, length: usize, prot: Prot, flags: MapFlags) -> isize {
    // SAFETY: the tests replace only their own mappings, which have no references.
    unsafe { sys::mmap(hint, length, prot.bits(), flags.bits(), -1, 0) }
}

/// The raw call: 0 or -1.
pub(crate) fn munmap(base: usize, length: usize) -> isize {
    // SAFETY: the tests keep no references into their mappings.
    unsafe { sys::munmap(base, length) }
}

/// The raw call: 0 or -1.
pub(crate) fn mprotect(base: usize, length: usize, prot: Prot) -> isize {
    // SAFETY: as in `munmap`; the program's own memory is not protected.
    unsafe { sys::mprotect(base, length, prot.bits()) }
}

/// The raw call: 0 or -1.
pub(crate) fn madvise(base: usize, length: usize, advice: Advice) -> isize {
    // SAFETY: as in `munmap`.
    unsafe { sys::madvise(base, length, advice as u32) }
}

/// The raw call: an address or -1.
pub(crate) fn mremap(base: usize, old: usize, new: usize, flags: RemapFlags) -> isize {
    // SAFETY: as in `munmap`.
    unsafe { sys::mremap(base, old, new, flags.bits()) }
}

/// Checks that a call was refused.
pub(crate) fn refused(answer: isize, what: &str) -> Outcome {
    expect_eq!(answer, -1, "{what}");
    Ok(())
}

/// A range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub base: usize,
    pub pages: usize,
}

impl Area {
    /// Maps pages without a hint.
    pub fn map(pages: usize, prot: Prot, flags: MapFlags) -> Result<Area, String> {
        Area::map_at(0, pages, prot, flags)
    }

    /// Maps pages, with a hint.
    pub fn map_at(hint: usize, pages: usize, prot: Prot, flags: MapFlags) -> Result<Area, String> {
        match mmap(hint, pages * PAGE_SIZE, prot, flags) {
            -1 => Err(format!(
                "expected a mapping of {pages} pages with {prot:?} and {flags:?}, but: the kernel refused"
            )),
            base => Ok(Area {
                base: base as usize,
                pages,
            }),
        }
    }

    /// Maps private memory, readable and writable.
    pub fn private(pages: usize) -> Result<Area, String> {
        Area::map(pages, RW, PRIVATE)
    }

    /// Maps shared memory, readable and writable.
    pub fn shared(pages: usize) -> Result<Area, String> {
        Area::map(pages, RW, SHARED)
    }

    /// Length in bytes.
    pub fn length(self) -> usize {
        self.pages * PAGE_SIZE
    }

    /// The address of a page.
    pub fn at(self, page: usize) -> usize {
        self.base + page * PAGE_SIZE
    }

    /// The address after the last page.
    pub fn end(self) -> usize {
        self.at(self.pages)
    }

    /// A part of the range.
    pub fn part(self, first: usize, pages: usize) -> Area {
        Area {
            base: self.at(first),
            pages,
        }
    }

    /// Writes this byte to several places of each page.
    pub fn fill(self, byte: u8) {
        for at in (self.base..self.end()).step_by(STEP) {
            // SAFETY: the tests fill mappings of their own, to which there are no references.
            unsafe { poke(at, byte) };
        }
    }

    /// Writes a byte to the start of a page.
    pub fn put(self, page: usize, byte: u8) {
        // SAFETY: as in `fill`.
        unsafe { poke(self.at(page), byte) };
    }

    /// Reads the byte at the start of a page.
    pub fn get(self, page: usize) -> u8 {
        peek(self.at(page))
    }

    /// Checks that each page holds what [`fill`](Area::fill) wrote.
    pub fn holds(self, byte: u8, what: &str) -> Outcome {
        for at in (self.base..self.end()).step_by(STEP) {
            expect_eq!(peek(at), byte, "{what} at {at:#x}");
        }
        Ok(())
    }

    /// Unmaps the pages.
    pub fn unmap(self) -> Outcome {
        let answer = munmap(self.base, self.length());
        expect_eq!(answer, 0, "munmap({:#x}, {} pages)", self.base, self.pages);
        Ok(())
    }

    /// Changes the protection of the pages.
    pub fn protect(self, prot: Prot) -> Outcome {
        let answer = mprotect(self.base, self.length(), prot);
        let Area { base, pages } = self;
        expect_eq!(answer, 0, "mprotect({base:#x}, {pages} pages, {prot:?})");
        Ok(())
    }

    /// Calls `madvise` for the pages.
    pub fn advise(self, advice: Advice) -> Outcome {
        let answer = madvise(self.base, self.length(), advice);
        let Area { base, pages } = self;
        expect_eq!(answer, 0, "madvise({base:#x}, {pages} pages, {advice:?})");
        Ok(())
    }

    /// Resizes the mapping.
    pub fn resize(self, pages: usize, flags: RemapFlags) -> Result<Area, String> {
        match mremap(self.base, self.length(), pages * PAGE_SIZE, flags) {
            -1 => Err(format!(
                "expected {} pages at {:#x} to become {pages}, but: the kernel refused",
                self.pages, self.base
            )),
            base => Ok(Area {
                base: base as usize,
                pages,
            }),
        }
    }

    /// The number of resident pages.
    pub fn resident(self) -> Result<usize, String> {
        let mut told = vec![0xff; self.pages];
        mem::mincore(self.base as *const u8, &mut told)
            .or_fail("query which pages are resident")?;
        if told.iter().any(|&byte| byte > 1) {
            return Err(format!("expected 0 or 1 for each page, saw {told:?}"));
        }
        Ok(told.iter().filter(|&&byte| byte == 1).count())
    }

    /// Checks that each page allows exactly `prot`; each access is tried in a child.
    pub fn permits(self, prot: Prot, what: &str) -> Outcome {
        let accesses = [
            (Prot::READ, "reading", read as fn(usize)),
            (Prot::WRITE, "writing", write_at_end),
            (Prot::EXEC, "running", run),
        ];
        for page in 0..self.pages {
            for (right, doing, access) in accesses {
                // Writable implies readable.
                let granted = if prot.contains(Prot::WRITE) {
                    prot | Prot::READ
                } else {
                    prot
                };
                let expected = if granted.contains(right) {
                    0
                } else {
                    abi::KILLED
                };
                let at = self.at(page);
                ends_with(expected, doing, || {
                    access(at);
                    0
                })
                .map_err(|error| format!("{what}, page {page} with {prot:?}: {error}"))?;
            }
        }
        Ok(())
    }

    /// Writes a function that returns `number` to the start of each page.
    pub fn put_code(self, number: u32) {
        // `addi a0, zero, number` and `jalr zero, 0(ra)`.
        let code = [0x513 | number << 20, 0x8067];
        for page in 0..self.pages {
            for (i, word) in code.into_iter().enumerate() {
                for (j, byte) in word.to_le_bytes().into_iter().enumerate() {
                    // SAFETY: as in `fill`.
                    unsafe { poke(self.at(page) + 4 * i + j, byte) };
                }
            }
        }
    }
}

fn read(at: usize) {
    peek(at);
}

/// Writes to the last byte of a page, after the code.
fn write_at_end(at: usize) {
    // SAFETY: the byte is the test's own.
    unsafe { poke(at + PAGE_SIZE - 1, 1) };
}

fn run(at: usize) {
    // SAFETY: the test has put a function there.
    unsafe { call(at) };
}

/// Checks that two areas have no page in common.
pub(crate) fn apart(one: Area, other: Area) -> Outcome {
    expect!(
        one.end() <= other.base || other.end() <= one.base,
        "areas apart, saw {one:x?} and {other:x?}"
    );
    Ok(())
}
