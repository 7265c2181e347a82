//! What processes wait for, by name.

/// What a queue of waiting processes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Awaited {
    /// A child's end.
    Child,
    /// A line at the terminal.
    Line,
    /// Bytes in a pipe.
    PipeBytes,
    /// Room in a pipe.
    PipeRoom,
    /// The disk.
    Disk,
    /// Memory of a process that ends.
    Memory,
    /// A time.
    Time,
    /// Changes of files.
    Changes,
    /// The lock of a process's address space.
    SpaceLock,
    /// The lock of a process's files.
    FilesLock,
    /// The lock of a pipe.
    PipeLock,
    /// The lock of an open file's offset.
    OffsetLock,
    /// The lock of the file system.
    FileSystemLock,
    /// The lock of a memory object.
    ObjectLock,
}

const NAMES: [&str; Awaited::ObjectLock as usize + 1] = [
    "child",
    "line of input",
    "bytes in a pipe",
    "room in a pipe",
    "disk",
    "memory",
    "time",
    "changes of files",
    "lock of an address space",
    "lock of a process's files",
    "lock of a pipe",
    "lock of a file offset",
    "lock of the file system",
    "lock of a memory object",
];

impl Awaited {
    /// The name of the one with this number.
    pub fn name(number: u8) -> &'static str {
        NAMES.get(usize::from(number)).copied().unwrap_or("?")
    }
}
