//! The pages that the tests write to.

use abi::PAGE_SIZE;
use harness::expect_eq;
use harness::{Outcome, grow_touched, peek, poke};
use ulib::string::String;

/// Touched pages of the heap.
#[derive(Clone, Copy)]
pub(crate) struct Pages {
    pub base: usize,
    pub count: usize,
}

impl Pages {
    pub fn new(count: usize) -> Result<Pages, String> {
        let base = grow_touched(count)?;
        Ok(Pages { base, count })
    }

    pub fn at(self, page: usize) -> usize {
        self.base + page * PAGE_SIZE
    }

    pub fn part(self, first: usize, count: usize) -> Pages {
        let base = self.at(first);
        Pages { base, count }
    }

    /// Writes to the start and the end of each page.
    pub fn fill(self, byte: u8) {
        for page in 0..self.count {
            for at in [self.at(page), self.at(page + 1) - 1] {
                // SAFETY: the pages are the test's own, and there are no references to them.
                unsafe { poke(at, byte) };
            }
        }
    }

    pub fn holds(self, byte: u8, whose: &str) -> Outcome {
        for page in 0..self.count {
            for at in [self.at(page), self.at(page + 1) - 1] {
                expect_eq!(peek(at), byte, "{whose} byte of page {page}");
            }
        }
        Ok(())
    }

    /// A child's status: 0 if the pages hold this byte.
    pub fn status(self, byte: u8) -> i32 {
        i32::from(self.holds(byte, "the child's").is_err())
    }
}

/// Overhead of a process: kernel stack, page tables, records, and its own stack and data pages.
pub(crate) const PROCESS: i64 = 40;

/// Pages of a large process.
pub(crate) const MANY: usize = 1000;
