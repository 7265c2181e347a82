//! Program start and exit.

use crate::env;
use crate::io::{Write, stderr};
use core::arch::global_asm;
use core::fmt::Display;

// The kernel enters here with argc in a0, argv in a1 and a stack; `main` returns the exit status.
global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "    mv fp, zero",
    "    mv ra, zero",
    "    tail {enter}",
    enter = sym enter,
);

unsafe extern "Rust" {
    /// Defined by [`main!`](crate::main).
    safe fn ulib_program_main() -> i32;
}

extern "C" fn enter(argc: usize, argv: *const *const u8) -> ! {
    // SAFETY: the kernel puts the arguments on the stack and says so in these registers.
    unsafe { env::set_arguments(argc, argv) };
    crate::process::exit(ulib_program_main())
}

/// Names the program's main function: `ulib::main!(main);`. It takes no arguments and returns a
/// [`Termination`].
#[macro_export]
macro_rules! main {
    ($main:path) => {
        // SAFETY: the runtime declares a function of this name and type and calls it once.
        #[unsafe(no_mangle)]
        extern "Rust" fn ulib_program_main() -> i32 {
            $crate::run_main($main)
        }
    };
}

/// Runs a program's main function; returns the exit status. [`main!`](crate::main) calls it.
pub fn run_main<T: Termination>(main: fn() -> T) -> i32 {
    main().report()
}

/// The result of a main function.
pub trait Termination {
    /// Returns the exit status; reports an error on standard error.
    fn report(self) -> i32;
}

impl Termination for () {
    fn report(self) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn report(self) -> i32 {
        self
    }
}

impl Termination for core::convert::Infallible {
    fn report(self) -> i32 {
        match self {}
    }
}

impl<T: Termination, E: Display> Termination for Result<T, E> {
    fn report(self) -> i32 {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                crate::eprintln!("{}: {error}", env::program());
                1
            }
        }
    }
}

/// Exit status of a panic, as in `std`.
const PANICKED: i32 = 101;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::io::flush_at_exit();
    let mut err = stderr();
    // Exit even if the message cannot be written.
    let _ = match info.location() {
        Some(at) => writeln!(
            err,
            "{}: panicked at {at}: {}",
            env::program(),
            info.message()
        ),
        None => writeln!(err, "{}: panicked: {}", env::program(), info.message()),
    };
    let _ = err.flush();
    crate::sys::exit(PANICKED)
}
