//! Files and directories, after `std::fs`. Paths are anything that gives bytes.

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

    /// Opens a file for writing, makes it if it is not there and empties it if it is.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn create(path: impl AsRef<[u8]>) -> Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// How a file may be opened.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over an open file's number.
    pub fn from_raw_fd(fd: i32) -> File {
        File { fd }
    }

    /// The number, still owned by this value.
    pub fn as_raw_fd(&self) -> i32 {
        self.fd
    }

    /// Gives up the number without closing it.
    pub fn into_raw_fd(self) -> i32 {
        let fd = self.fd;
        core::mem::forget(self);
        fd
    }

    /// Makes this the file with number `fd`, in place of the one that had it.
    ///
    /// # Errors
    /// A number below `fd` is free: the kernel gives the lowest one.
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

    /// One more number for the same open file; both share its offset.
    ///
    /// # Errors
    /// The kernel is out of memory.
    pub fn try_clone(&self) -> Result<File> {
        checked(sys::dup(self.fd)).map(|fd| File { fd: fd as i32 })
    }

    /// Waits until the disk has all that was written to the file.
    ///
    /// # Errors
    /// The disk has failed and is tried again later, or the number is open for something that is not on it.
    pub fn sync_all(&self) -> Result<()> {
        checked(sys::fsync(self.fd)).map(drop)
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// The number is not open for a file.
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

/// Waits until the disk has all changes.
///
/// # Errors
/// The disk has failed and is tried again later.
pub fn sync() -> Result<()> {
    checked(sys::sync()).map(drop)
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
}

impl OpenOptions {
    /// Nothing chosen yet.
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

    /// Opens for writing behind what is there now. The kernel knows no such mode, so the file is
    /// read to its end first, and another writer's bytes may be overwritten.
    pub fn append(mut self, yes: bool) -> OpenOptions {
        self.append = yes;
        self
    }

    /// Drops what the file holds.
    pub fn truncate(mut self, yes: bool) -> OpenOptions {
        self.truncate = yes;
        self
    }

    /// Makes the file if it is not there.
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
    /// The file is not there, or may not be used so.
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

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    stat: Stat,
}

impl Metadata {
    /// The file's type; none if the kernel says something unknown.
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

    /// What the kernel stored.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }
}

/// What is known of the file with this name.
///
/// # Errors
/// There is no such file.
pub fn metadata(path: impl AsRef<[u8]>) -> Result<Metadata> {
    File::open(path)?.metadata()
}

/// Reads a whole file.
///
/// # Errors
/// The file is not there or cannot be read.
pub fn read(path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file as text.
///
/// # Errors
/// The file is not there, cannot be read, or is not UTF-8.
pub fn read_to_string(path: impl AsRef<[u8]>) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::InvalidData)
}

/// Makes a file of these bytes.
///
/// # Errors
/// The file cannot be made or written.
pub fn write(path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// Makes a directory.
///
/// # Errors
/// The name is taken, or there is no room.
pub fn create_dir(path: impl AsRef<[u8]>) -> Result<()> {
    let path = Path::new(path)?;
    checked(sys::mkdir(path.as_ptr())).map(drop)
}

/// Removes a name; the file goes with its last name and user. An empty directory counts as a file,
/// as in xv6.
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

/// Gives a file one more name.
///
/// # Errors
/// The file is not there, is a directory, or the new name is taken.
pub fn hard_link(old: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Result<()> {
    let (old, new) = (Path::new(old)?, Path::new(new)?);
    checked(sys::link(old.as_ptr(), new.as_ptr())).map(drop)
}

/// Makes a device node.
///
/// # Errors
/// The name is taken, or there is no room.
pub fn make_device(path: impl AsRef<[u8]>, major: i16, minor: i16) -> Result<()> {
    let path = Path::new(path)?;
    checked(sys::mknod(path.as_ptr(), major, minor)).map(drop)
}

/// The entries of a directory, `.` and `..` among them (unlike `std`'s).
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
