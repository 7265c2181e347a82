//! The program's arguments and current directory.

use crate::io::{Result, checked};
use crate::path::Path;
use crate::solo::Solo;
use core::cell::Cell;
use core::ffi::CStr;

/// `argc` and `argv` as the kernel handed them over.
static ARGUMENTS: Solo<Cell<(usize, *const *const u8)>> =
    Solo::new(Cell::new((0, core::ptr::null())));

/// # Safety
/// `argv` holds `argc` pointers to strings that live as long as the program.
pub(crate) unsafe fn set_arguments(argc: usize, argv: *const *const u8) {
    ARGUMENTS.set((argc, argv));
}

/// The arguments as bytes, the program's name first.
#[derive(Clone, Debug)]
pub struct ArgsBytes {
    next: usize,
}

/// The arguments as bytes, the program's name first.
pub fn args_bytes() -> ArgsBytes {
    ArgsBytes { next: 0 }
}

impl Iterator for ArgsBytes {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        let (argc, argv) = ARGUMENTS.get();
        if self.next >= argc {
            return None;
        }
        // SAFETY: by the contract of `set_arguments`; the strings are on the stack, which is never
        // unmapped.
        let argument = unsafe { CStr::from_ptr((*argv.add(self.next)).cast()) };
        self.next += 1;
        Some(argument.to_bytes())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = ARGUMENTS.get().0.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for ArgsBytes {}

/// The arguments as text, the program's name first.
#[derive(Clone, Debug)]
pub struct Args(ArgsBytes);

/// The arguments as text, the program's name first.
///
/// # Panics
/// The iterator panics at an argument that is not UTF-8, as `std`'s does; [`args_bytes`] does not.
pub fn args() -> Args {
    Args(args_bytes())
}

impl Iterator for Args {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        let bytes = self.0.next()?;
        Some(core::str::from_utf8(bytes).expect("an argument is not UTF-8"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Args {}

/// The last component of argument 0.
pub fn program() -> &'static str {
    let path = args_bytes().next().unwrap_or(b"?");
    let start = path
        .iter()
        .rposition(|&b| b == b'/')
        .map_or(0, |slash| slash + 1);
    core::str::from_utf8(&path[start..]).unwrap_or("?")
}

/// Changes the current directory.
///
/// # Errors
/// There is no such directory.
pub fn set_current_dir(path: impl AsRef<[u8]>) -> Result<()> {
    let path = Path::new(path)?;
    checked(crate::sys::chdir(path.as_ptr())).map(drop)
}
