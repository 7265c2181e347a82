//! What the test programs share: a test runs in a process and a directory of its own, and what the
//! machine has afterwards is compared with what it had before.
#![no_std]

mod child;
mod counts;
mod memory;
pub mod random;
mod stay;

pub use child::{Gate, Kid, Reports, SCRATCH, Tally, dies, ends_with, isolated};
pub use counts::Counts;
pub use memory::{
    available, call, cost, fill, fill_memory, grow_touched, hog_status, is_strict, map, peek, poke,
    promisable, same_pages, take_pages, taken_since,
};
pub use stay::Stay;

use abi::PAGE_SIZE;
use core::fmt::{self, Debug, Display};
use core::hint;
use core::sync::atomic::{AtomicBool, Ordering};
use programs::cli::{Text, complain};
use ulib::string::String;
use ulib::{env, format, println};

/// What a test found: nothing wrong, or what it expected and saw.
pub type Outcome = Result<(), String>;

/// A test.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// What it is called by.
    pub name: &'static str,
    /// Whether it takes well below a second.
    pub quick: bool,
    /// What it does.
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

/// What [`expect!`](crate::expect) fails with. Apart and never inlined: there are a thousand of
/// them, and a program has to fit into the largest file.
///
/// # Errors
/// Always.
#[cold]
#[inline(never)]
pub fn unexpected(expected: fmt::Arguments<'_>) -> Outcome {
    Err(format!("expected {expected}"))
}

/// What [`expect_eq!`](crate::expect_eq) fails with.
///
/// # Errors
/// Always.
#[cold]
#[inline(never)]
pub fn unequal(what: fmt::Arguments<'_>, expected: &dyn Debug, seen: &dyn Debug) -> Outcome {
    Err(format!("{what}: expected {expected:?}, saw {seen:?}"))
}

/// Turns what should have worked into the outcome of a test.
pub trait Expect<T> {
    /// The value, or a failed test that says what did not work.
    ///
    /// # Errors
    /// It did not work.
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

/// Runs a test by itself and prints how it went; whether it passed.
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

/// Runs a program's tests as its arguments say: all, those named, with `-q` the quick ones; `-l`
/// lists them instead. The exit status.
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

/// Touches more of the stack than running tests does: what is on it is not the same in each.
#[inline(never)]
fn touch_stack() {
    hint::black_box(&mut [0_u8; 6 * PAGE_SIZE]);
}

/// Makes this process touch, and the root directory grow to, all that running tests takes, so that
/// the first test does not seem to lose it. Once is enough: from a deeper call it would touch more.
pub fn warm_up() {
    static WARM: AtomicBool = AtomicBool::new(false);
    if WARM.swap(true, Ordering::Relaxed) {
        return;
    }
    touch_stack();
    // What is left of a run that was ended on the way.
    let _ = child::remove_scratch();
    Counts::warm_up();
    for _ in 0..2 {
        // The failure is the purpose: its message takes memory too.
        let _ = isolated(|| Err(String::from("warming up")));
        // And so does the way on which nothing is wrong.
        let _ = isolated(|| Ok(()));
    }
}
