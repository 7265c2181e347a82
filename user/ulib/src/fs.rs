//! Files and directories, modelled on `std::fs`. Paths are bytes.

use crate::io::{Error, Read, Result, Write, checked};
use crate::path::Path;
use crate::sys;
use abi::{Dirent, FileType, OpenFlags, Stat};
use alloc::string::String;
use alloc::vec::Vec;
use zerocopy::IntoBytes;

/// An open file, closed when dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    fd: i32,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// There is no such file.
    pub fn open(path: impl AsRef<[u8]>) -> Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; creates or truncates it.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(path: impl AsRef<[u8]>) -> Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// Options for opening a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes ownership of a file descriptor.
    pub fn from_raw_fd(fd: i32) -> File {
        File { fd }
    }

    /// The file descriptor, still owned by this value.
    pub fn as_raw_fd(&self) -> i32 {
        self.fd
    }

    /// The file descriptor, without closing it.
    pub fn into_raw_fd(self) -> i32 {
        let fd = self.fd;
        core::mem::forget(self);
        fd
    }

    /// Moves this file to descriptor `fd`, closing the file there.
    ///
    /// # Errors
    /// A descriptor below `fd` is free: the kernel gives the lowest one.
    pub fn become_fd(self, fd: i32) -> Result<()> {
        if self.fd == fd {
            self.into_raw_fd();
            return Ok(());
        }
        sys::close(fd);
        match checked(sys::dup(self.fd))? as i32 {
            got if got == fd => Ok(()),
            got => {
                sys::close(got);
                Err(Error::Other)
            }
        }
    }

    /// Duplicates the descriptor; both share the offset.
    ///
    /// # Errors
    /// The kernel is out of memory.
    pub fn try_clone(&self) -> Result<File> {
        checked(sys::dup(self.fd)).map(|fd| File { fd: fd as i32 })
    }

    /// Waits until all changes of the file are on the disk.
    ///
    /// # Errors
    /// A disk error, after which the kernel retries; or the file is a pipe or a device.
    pub fn sync_all(&self) -> Result<()> {
        checked(sys::fsync(self.fd)).map(drop)
    }

    /// The file's metadata.
    ///
    /// # Errors
    /// The file has none, as a pipe.
    pub fn metadata(&self) -> Result<Metadata> {
        let mut stat = Stat::default();
        // SAFETY: `stat` is ours to fill.
        checked(unsafe { sys::fstat(self.fd, &mut stat) })?;
        Ok(Metadata { stat })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        sys::close(self.fd);
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (&*self).read(buffer)
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the slice is ours to fill.
        checked(unsafe { sys::read(self.fd, buffer.as_mut_ptr(), buffer.len()) })
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        (&*self).write(bytes)
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        checked(sys::write(self.fd, bytes.as_ptr(), bytes.len()))
    }
}

/// Waits until all changes are on the disk.
///
/// # Errors
/// A disk error, after which the kernel retries.
pub fn sync() -> Result<()> {
    checked(sys::sync()).map(drop)
}

/// Options for opening a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
}

impl OpenOptions {
    /// No options.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Opens for reading.
    pub fn read(mut self, yes: bool) -> OpenOptions {
        self.read = yes;
        self
    }

    /// Opens for writing.
    pub fn write(mut self, yes: bool) -> OpenOptions {
        self.write = yes;
        self
    }

    /// Opens for writing at the end. Not atomic: the kernel has no append mode, so the file is read
    /// to its end first.
    pub fn append(mut self, yes: bool) -> OpenOptions {
        self.append = yes;
        self
    }

    /// Truncates the file.
    pub fn truncate(mut self, yes: bool) -> OpenOptions {
        self.truncate = yes;
        self
    }

    /// Creates the file if it does not exist.
    pub fn create(mut self, yes: bool) -> OpenOptions {
        self.create = yes;
        self
    }

    fn flags(self) -> OpenFlags {
        let mut flags = match (self.read || self.append, self.write || self.append) {
            (_, false) => OpenFlags::empty(),
            (false, true) => OpenFlags::WRITE_ONLY,
            (true, true) => OpenFlags::READ_WRITE,
        };
        flags.set(OpenFlags::CREATE, self.create);
        flags.set(OpenFlags::TRUNCATE, self.truncate);
        flags
    }

    /// Opens the file.
    ///
    /// # Errors
    /// The file does not exist or cannot be opened this way.
    pub fn open(self, path: impl AsRef<[u8]>) -> Result<File> {
        let path = Path::new(path)?;
        let fd = checked(sys::open(path.as_ptr(), self.flags().bits()))?;
        let mut file = File { fd: fd as i32 };
        if self.append && file.metadata()?.is_file() {
            let mut skipped = [0; 1024];
            while file.read(&mut skipped)? > 0 {}
        }
        Ok(file)
    }
}

/// Metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    stat: Stat,
}

impl Metadata {
    /// The file's type; `None` if unknown.
    pub fn file_type(&self) -> Option<FileType> {
        FileType::from_number(self.stat.kind)
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type() == Some(FileType::Directory)
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type() == Some(FileType::File)
    }

    /// Whether it is a device.
    pub fn is_device(&self) -> bool {
        self.file_type() == Some(FileType::Device)
    }

    /// Bytes in the file.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.stat.size
    }

    /// The kernel's record.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }
}

/// The metadata of the file with this name.
///
/// # Errors
/// There is no such file.
pub fn metadata(path: impl AsRef<[u8]>) -> Result<Metadata> {
    File::open(path)?.metadata()
}

/// Reads a whole file.
///
/// # Errors
/// The file does not exist or cannot be read.
pub fn read(path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file as text.
///
/// # Errors
/// The file does not exist, cannot be read, or is not UTF-8.
pub fn read_to_string(path: impl AsRef<[u8]>) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::InvalidData)
}

/// Creates a file with these bytes.
///
/// # Errors
/// The file cannot be created or written.
pub fn write(path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// Creates a directory.
///
/// # Errors
/// The name exists, or the disk is full.
pub fn create_dir(path: impl AsRef<[u8]>) -> Result<()> {
    let path = Path::new(path)?;
    checked(sys::mkdir(path.as_ptr())).map(drop)
}

/// Unlinks a name, of a file or, as in xv6, of an empty directory.
///
/// # Errors
/// There is no such file, or it is a directory that is not empty.
pub fn remove_file(path: impl AsRef<[u8]>) -> Result<()> {
    let path = Path::new(path)?;
    checked(sys::unlink(path.as_ptr())).map(drop)
}

/// Removes an empty directory.
///
/// # Errors
/// There is no such directory, or it is not empty.
pub fn remove_dir(path: impl AsRef<[u8]>) -> Result<()> {
    remove_file(path)
}

/// Adds a name for a file.
///
/// # Errors
/// The file does not exist or is a directory, or the new name exists.
pub fn hard_link(old: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Result<()> {
    let (old, new) = (Path::new(old)?, Path::new(new)?);
    checked(sys::link(old.as_ptr(), new.as_ptr())).map(drop)
}

/// Creates a device node.
///
/// # Errors
/// The name exists, or the disk is full.
pub fn make_device(path: impl AsRef<[u8]>, major: i16, minor: i16) -> Result<()> {
    let path = Path::new(path)?;
    checked(sys::mknod(path.as_ptr(), major, minor)).map(drop)
}

/// The entries of a directory, including `.` and `..` (unlike `std`).
///
/// # Errors
/// There is no such directory.
pub fn read_dir(path: impl AsRef<[u8]>) -> Result<ReadDir> {
    let file = File::open(path)?;
    if !file.metadata()?.is_dir() {
        return Err(Error::InvalidInput);
    }
    Ok(ReadDir { file })
}

/// The entries of a directory.
#[derive(Debug)]
pub struct ReadDir {
    file: File,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry {
    entry: Dirent,
}

impl DirEntry {
    /// The name, at most [`abi::DIRSIZ`] bytes.
    pub fn file_name(&self) -> &[u8] {
        self.entry.name()
    }

    /// The inode's number.
    pub fn ino(&self) -> u16 {
        self.entry.inum
    }
}

impl Iterator for ReadDir {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Result<DirEntry>> {
        loop {
            let mut entry = Dirent::default();
            match self.file.read(entry.as_mut_bytes()) {
                Ok(0) => return None,
                Ok(n) if n < size_of::<Dirent>() => return Some(Err(Error::UnexpectedEof)),
                Ok(_) if entry.inum == 0 => {}
                Ok(_) => return Some(Ok(DirEntry { entry })),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
