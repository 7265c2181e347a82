//! Sizes and limits.

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
/// First address behind the user half (Sv39).
pub const MAXVA: u64 = 1 << 38;
/// First address that a program can never have: the top two pages below [`MAXVA`] are never mapped.
pub const USER_TOP: u64 = MAXVA - 2 * PAGE_SIZE as u64;
/// Where mappings without a hint are placed from.
pub const MMAP_BASE: u64 = 1 << 37;
/// Where mappings are placed that must lie below 2 GiB. What is below is the heap's.
pub const MMAP_LOW: core::ops::Range<u64> = 1 << 30..1 << 31;
/// Longest path, in bytes, with the zero at its end.
pub const MAXPATH: usize = 128;
/// Most arguments of `exec`.
pub const MAXARG: usize = 32;
/// Longest name in a directory.
pub const DIRSIZ: usize = 14;
/// Most bytes of one `kmalloc`.
pub const KMALLOC_MAX: usize = 4096;
/// Clock ticks a second, the unit of `sleep` and `uptime`.
pub const TICKS_PER_SECOND: u64 = 10;
/// Major number of the console.
pub const CONSOLE: i16 = 1;
/// Status that `wait` sees of a process that was killed.
pub const KILLED: i32 = -1;
/// Status that `wait` sees of a process that Ctrl-C has ended.
pub const INTERRUPTED: i32 = -2;
/// The process group of `init`, and of all processes as long as nobody makes others.
pub const FIRST_GROUP: i32 = 1;
/// In the place of a process group in the foreground: none, so that Ctrl-C ends nobody.
pub const NO_GROUP: i32 = 0;
