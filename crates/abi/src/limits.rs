//! Sizes and limits.

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
/// End of the user half (Sv39).
pub const MAXVA: u64 = 1 << 38;
/// End of the addresses a program can map: the top two pages below [`MAXVA`] are never mapped.
pub const USER_TOP: u64 = MAXVA - 2 * PAGE_SIZE as u64;
/// Start of the search for mappings without a hint.
pub const MMAP_BASE: u64 = 1 << 37;
/// Where [`MapFlags::LOW`](crate::MapFlags::LOW) places mappings. The heap is below.
pub const MMAP_LOW: core::ops::Range<u64> = 1 << 30..1 << 31;
/// Longest path in bytes, including the terminating zero.
pub const MAXPATH: usize = 128;
/// Most arguments of `exec`.
pub const MAXARG: usize = 32;
/// Longest name in a directory.
pub const DIRSIZ: usize = 14;
/// Most bytes of one `kmalloc`.
pub const KMALLOC_MAX: usize = 4096;
/// Ticks per second, the unit of `sleep` and `uptime`.
pub const TICKS_PER_SECOND: u64 = 10;
/// Major number of the console.
pub const CONSOLE: i16 = 1;
/// Wait status of a killed process.
pub const KILLED: i32 = -1;
/// Wait status of a process that Ctrl-C ended.
pub const INTERRUPTED: i32 = -2;
/// The process group of `init`, inherited by all others.
pub const FIRST_GROUP: i32 = 1;
/// No foreground process group: Ctrl-C ends no process.
pub const NO_GROUP: i32 = 0;
