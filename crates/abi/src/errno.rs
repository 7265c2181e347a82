//! Why a call failed.

use core::fmt;

macro_rules! errors {
    ($($name:ident = $number:literal, $c:literal, $text:literal;)*) => {
        /// Why a call failed. A program sees -1 for every one of them, as in xv6, and may ask for the
        /// reason of the last one with the call `errno`. The numbers are Linux's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Errno { $(#[doc = $text] $name = $number,)* }

        impl Errno {
            /// Every one with its number, its name in C and what it says, in order of the numbers.
            pub const ALL: &[(u8, &str, &str)] = &[$(($number, $c, $text),)*];

            /// The one with this number.
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
    NotPermitted = 1, "EPERM", "not permitted";
    NotFound = 2, "ENOENT", "no such file or directory";
    NoProcess = 3, "ESRCH", "no such process";
    Interrupted = 4, "EINTR", "interrupted";
    Io = 5, "EIO", "input/output error";
    ArgumentsTooLong = 7, "E2BIG", "too many arguments, or too long ones";
    NotExecutable = 8, "ENOEXEC", "not a program";
    BadFile = 9, "EBADF", "not an open file, or not for this";
    NoChild = 10, "ECHILD", "no child process";
    TryAgain = 11, "EAGAIN", "try again, there are too many";
    NoMemory = 12, "ENOMEM", "out of memory";
    BadAddress = 14, "EFAULT", "bad address";
    Busy = 16, "EBUSY", "in use";
    Exists = 17, "EEXIST", "exists already";
    CrossDevice = 18, "EXDEV", "not on this device";
    NoDevice = 19, "ENODEV", "no such device";
    NotDirectory = 20, "ENOTDIR", "not a directory";
    IsDirectory = 21, "EISDIR", "is a directory";
    Invalid = 22, "EINVAL", "invalid argument";
    NotTerminal = 25, "ENOTTY", "not a terminal";
    TextBusy = 26, "ETXTBSY", "a program that runs";
    FileTooLarge = 27, "EFBIG", "file too large";
    NoSpace = 28, "ENOSPC", "no space left on the disk";
    TooManyLinks = 31, "EMLINK", "too many links";
    BrokenPipe = 32, "EPIPE", "nobody reads the pipe";
    NameTooLong = 36, "ENAMETOOLONG", "name too long";
    NoSuchCall = 38, "ENOSYS", "no such system call";
    NotEmpty = 39, "ENOTEMPTY", "directory not empty";
}
