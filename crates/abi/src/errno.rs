//! Error numbers.

use core::fmt;

macro_rules! errors {
    ($($name:ident = $number:literal, $c:literal, $text:literal;)*) => {
        /// An error number, with Linux's values. A failed call returns -1, as in xv6; the call
        /// `errno` returns the number of the last failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Errno { $(#[doc = $text] $name = $number,)* }

        impl Errno {
            /// All errors: number, name in C, message; in order of number.
            pub const ALL: &[(u8, &str, &str)] = &[$(($number, $c, $text),)*];

            /// The error with this number.
            pub const fn from_number(number: u64) -> Option<Errno> {
                match number { $($number => Some(Errno::$name),)* _ => None }
            }
        }

        impl fmt::Display for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Errno::$name => $text,)* })
            }
        }
    };
}

errors! {
    NotPermitted = 1, "EPERM", "operation not permitted";
    NotFound = 2, "ENOENT", "no such file or directory";
    NoProcess = 3, "ESRCH", "no such process";
    Interrupted = 4, "EINTR", "interrupted";
    Io = 5, "EIO", "input/output error";
    ArgumentsTooLong = 7, "E2BIG", "argument list too long";
    NotExecutable = 8, "ENOEXEC", "exec format error";
    BadFile = 9, "EBADF", "bad file descriptor";
    NoChild = 10, "ECHILD", "no child processes";
    TryAgain = 11, "EAGAIN", "resource temporarily unavailable";
    NoMemory = 12, "ENOMEM", "out of memory";
    BadAddress = 14, "EFAULT", "bad address";
    Busy = 16, "EBUSY", "resource busy";
    Exists = 17, "EEXIST", "file exists";
    CrossDevice = 18, "EXDEV", "cross-device link";
    NoDevice = 19, "ENODEV", "no such device";
    NotDirectory = 20, "ENOTDIR", "not a directory";
    IsDirectory = 21, "EISDIR", "is a directory";
    Invalid = 22, "EINVAL", "invalid argument";
    NotTerminal = 25, "ENOTTY", "not a terminal";
    TextBusy = 26, "ETXTBSY", "text file busy";
    FileTooLarge = 27, "EFBIG", "file too large";
    NoSpace = 28, "ENOSPC", "no space left on device";
    TooManyLinks = 31, "EMLINK", "too many links";
    BrokenPipe = 32, "EPIPE", "broken pipe";
    NameTooLong = 36, "ENAMETOOLONG", "name too long";
    NoSuchCall = 38, "ENOSYS", "no such system call";
    NotEmpty = 39, "ENOTEMPTY", "directory not empty";
}
