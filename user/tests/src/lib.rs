//! The test harness: each test runs in a process and a directory of its own, and is checked for
//! leaks.
#![no_std]

mod child;
mod counts;
mod memory;
pub mod random;
mod stay;

pub use child::{Gate, Kid, Reports, SCRATCH, Tally, dies, ends_with, isolated};
pub use counts::Counts;
pub use memory::{
    available, call, committable, cost, fill, fill_memory, grow_touched, hog_status, is_strict,
    map, peek, poke, same_pages, take_pages, taken_since,
};
pub use stay::Stay;

use abi::PAGE_SIZE;
use core::fmt::{self, Debug, Display};
use core::hint;
use core::sync::atomic::{AtomicBool, Ordering};
use programs::cli::{Text, complain};
use ulib::string::String;
use ulib::{env, format, println};

/// A test's result: success, or what was expected and seen.
pub type Outcome = Result<(), String>;

/// A test.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// Whether it takes well under a second.
    pub quick: bool,
    /// The test.
    pub run: fn() -> Outcome,
}

/// A list of tests: `tests! { quick: "name" = function, …; slow: "name" = function, … }`.
#[macro_export]
macro_rules! tests {
    (quick: $($quick:literal = $run_quick:path),* ; slow: $($slow:literal = $run_slow:path),* ;) => {
        &[
            $($crate::Test { name: $quick, quick: true, run: $run_quick },)*
            $($crate::Test { name: $slow, quick: false, run: $run_slow },)*
        ]
    };
}

/// Fails the test unless the condition holds: `expect!(condition, "what should be: {}", seen)`.
#[macro_export]
macro_rules! expect {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return $crate::unexpected(::core::format_args!($($text)*));
        }
    };
}

/// Fails the test unless both are equal: `expect_eq!(seen, expected, "bytes read")`.
#[macro_export]
macro_rules! expect_eq {
    ($seen:expr, $expected:expr, $($what:tt)*) => {
        match (&$seen, &$expected) {
            (seen, expected) => if *seen != *expected {
                let what = ::core::format_args!($($what)*);
                return $crate::unequal(what, expected, seen);
            }
        }
    };
}

/// The failure of [`expect!`](crate::expect). Out of line, since there are a thousand uses and a
/// program must fit into the largest file.
///
/// # Errors
/// Always.
#[cold]
#[inline(never)]
pub fn unexpected(expected: fmt::Arguments<'_>) -> Outcome {
    Err(format!("expected {expected}"))
}

/// The failure of [`expect_eq!`](crate::expect_eq).
///
/// # Errors
/// Always.
#[cold]
#[inline(never)]
pub fn unequal(what: fmt::Arguments<'_>, expected: &dyn Debug, seen: &dyn Debug) -> Outcome {
    Err(format!("{what}: expected {expected:?}, saw {seen:?}"))
}

/// Turns a failed setup step into a test failure.
pub trait Expect<T> {
    /// The value, or a failure that names the step.
    ///
    /// # Errors
    /// The step failed.
    fn or_fail(self, what: impl Display) -> Result<T, String>;
}

impl<T, E: Display> Expect<T> for Result<T, E> {
    fn or_fail(self, what: impl Display) -> Result<T, String> {
        self.map_err(|error| failed(&what, &error))
    }
}

#[cold]
#[inline(never)]
fn failed(what: &dyn Display, error: &dyn Display) -> String {
    format!("expected to {what}, but: {error}")
}

/// Runs an isolated test and prints its result. Returns whether it passed.
pub fn run(test: &Test) -> bool {
    match isolated(test.run) {
        Ok(()) => {
            println!("test {}: OK", test.name);
            true
        }
        Err(error) => {
            println!("test {}: FAILED: {error}", test.name);
            false
        }
    }
}

/// Runs a program's tests by its arguments: all, those named, or with `-q` the quick ones; `-l`
/// lists them. Returns the exit status.
pub fn suite(groups: &[&[Test]]) -> i32 {
    let tests = || groups.iter().copied().flatten();
    let mut quick = false;
    let mut named = 0;
    for argument in env::args_bytes().skip(1) {
        match argument {
            b"-q" => quick = true,
            b"-l" => {
                tests().for_each(|test| println!("{}", test.name));
                return 0;
            }
            name if tests().any(|test| test.name.as_bytes() == name) => named += 1,
            name => {
                complain(format_args!("no test {}; -l lists them", Text(name)));
                return 1;
            }
        }
    }
    let chosen = |test: &&Test| {
        let name = test.name.as_bytes();
        (test.quick || !quick) && (named == 0 || env::args_bytes().skip(1).any(|arg| arg == name))
    };
    warm_up();
    let mut run_count = 0;
    let mut failed = 0;
    for test in tests().filter(chosen) {
        run_count += 1;
        if !run(test) {
            failed += 1;
        }
    }
    if failed == 0 {
        println!("ALL TESTS PASSED");
        0
    } else {
        println!("{failed} OF {run_count} TESTS FAILED");
        1
    }
}

/// Touches more of the stack than any test does.
#[inline(never)]
fn touch_stack() {
    hint::black_box(&mut [0_u8; 6 * PAGE_SIZE]);
}

/// Touches all memory that running tests needs, and grows the root directory, so that the first
/// test does not seem to leak. Runs once.
pub fn warm_up() {
    static WARM: AtomicBool = AtomicBool::new(false);
    if WARM.swap(true, Ordering::Relaxed) {
        return;
    }
    touch_stack();
    // Leftover from an interrupted run.
    let _ = child::remove_scratch();
    Counts::warm_up();
    for _ in 0..2 {
        // Fails on purpose: the message takes memory too.
        let _ = isolated(|| Err(String::from("warming up")));
        // The successful path, too.
        let _ = isolated(|| Ok(()));
    }
}
