//! Why a call failed.

/// Why a call failed. A program sees -1 for every one of them, as in xv6; the reason stays inside
/// the kernel and in what it prints. The values are Linux's numbers for the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs)]
pub enum Errno {
    NotPermitted = 1,
    NotFound = 2,
    NoProcess = 3,
    Interrupted = 4,
    Io = 5,
    ArgumentsTooLong = 7,
    NotExecutable = 8,
    BadFile = 9,
    NoChild = 10,
    TryAgain = 11,
    NoMemory = 12,
    BadAddress = 14,
    Busy = 16,
    Exists = 17,
    CrossDevice = 18,
    NoDevice = 19,
    NotDirectory = 20,
    IsDirectory = 21,
    Invalid = 22,
    NotTerminal = 25,
    TextBusy = 26,
    FileTooLarge = 27,
    NoSpace = 28,
    TooManyLinks = 31,
    BrokenPipe = 32,
    NameTooLong = 36,
    NoSuchCall = 38,
    NotEmpty = 39,
}
