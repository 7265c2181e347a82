//! Wait channels, by name.

/// A wait channel: what the threads of a wait queue wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wchan {
    /// A child that exits.
    Child,
    /// A line at the terminal.
    Line,
    /// Bytes in a pipe.
    PipeBytes,
    /// Room in a pipe.
    PipeRoom,
    /// The disk.
    Disk,
    /// Memory of an exiting process.
    Memory,
    /// A timeout.
    Time,
    /// Changes of files.
    Writeback,
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

const NAMES: [&str; Wchan::ObjectLock as usize + 1] = [
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

impl Wchan {
    /// The name of the wait channel with this number.
    pub fn name(number: u8) -> &'static str {
        NAMES.get(usize::from(number)).copied().unwrap_or("?")
    }
}
