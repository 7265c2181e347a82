//! Open files.

use super::cache::InodeRef;
use super::pipe::{Pipe, ReadEnd, WriteEnd};
use super::volume;
use crate::dev::{self, Device};
use crate::mm::user::UserRange;
use crate::sched::{SleepLock, Wchan};
use abi::{Errno, FileType, OpenFlags, PAGE_SIZE, Stat};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::{KArc, KBox};
use files::{Descriptors, Open};

/// Major numbers that a device file can be opened with, as in xv6.
const MAJORS: core::ops::Range<i16> = 0..10;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Number of open files in the system, including pipe ends.
pub fn open_files() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// An open file, shared by the descriptors of `dup` and `fork`.
pub struct File {
    source: Source,
    readable: bool,
    writable: bool,
}

enum Source {
    Inode {
        inode: InodeRef,
        offset: SleepLock<u64>,
    },
    Device {
        inode: InodeRef,
        /// None where the kernel has no device with this number.
        device: Option<Device>,
    },
    ReadEnd(ReadEnd),
    WriteEnd(WriteEnd),
}

impl Open for File {
    /// Without the inode; each end of a pipe counts half of its page.
    fn bytes(&self) -> usize {
        match &self.source {
            Source::Inode { .. } | Source::Device { .. } => size_of::<File>(),
            Source::ReadEnd(_) | Source::WriteEnd(_) => size_of::<File>() + PAGE_SIZE / 2,
        }
    }
}

/// A process's open files.
pub type FileTable = Descriptors<File>;

impl File {
    fn try_new(source: Source, readable: bool, writable: bool) -> Result<KArc<File>, Errno> {
        // Counted first: where the allocation fails, dropping the file takes the count back.
        OPEN.fetch_add(1, Ordering::Relaxed);
        Ok(KArc::try_new(File {
            source,
            readable,
            writable,
        })?)
    }

    /// Opens an inode.
    pub fn open(inode: InodeRef, flags: OpenFlags) -> Result<KArc<File>, Errno> {
        let writable = flags.intersects(OpenFlags::WRITE_ONLY | OpenFlags::READ_WRITE);
        let readable = !flags.contains(OpenFlags::WRITE_ONLY);
        let source = match inode.kind() {
            FileType::Directory if flags != OpenFlags::empty() => return Err(Errno::IsDirectory),
            FileType::Device => {
                if !MAJORS.contains(&inode.major()) {
                    return Err(Errno::NoDevice);
                }
                let device = dev::by_major(inode.major());
                Source::Device { inode, device }
            }
            FileType::Directory => Source::Inode {
                inode,
                offset: SleepLock::new(Wchan::OffsetLock, 0),
            },
            FileType::File => {
                if writable {
                    inode.text().get_write_access()?;
                }
                Source::Inode {
                    inode,
                    offset: SleepLock::new(Wchan::OffsetLock, 0),
                }
            }
        };
        let file = File::try_new(source, readable, writable)?;
        if let Source::Inode { inode, .. } = &file.source
            && flags.contains(OpenFlags::TRUNCATE)
            && inode.kind() == FileType::File
        {
            if writable {
                inode.truncate()?;
            } else {
                inode.text().get_write_access()?;
                let done = inode.truncate();
                inode.text().put_write_access();
                done?;
            }
        }
        Ok(file)
    }

    /// A new pipe: read end and write end.
    pub fn pipe() -> Result<(KArc<File>, KArc<File>), Errno> {
        let (read, write) = Pipe::try_new()?;
        let read = File::try_new(Source::ReadEnd(read), true, false)?;
        let write = File::try_new(Source::WriteEnd(write), false, true)?;
        Ok((read, write))
    }

    /// Reads at the file's offset.
    pub fn read(&self, to: UserRange) -> Result<usize, Errno> {
        if !self.readable {
            return Err(Errno::BadFile);
        }
        match &self.source {
            Source::Inode { inode, offset } => {
                let mut offset = offset.lock();
                let count = inode.read(*offset, to)?;
                *offset += count as u64;
                Ok(count)
            }
            Source::Device { device, .. } => device.ok_or(Errno::NoDevice)?.read(to),
            Source::ReadEnd(end) => end.read(to),
            Source::WriteEnd(_) => Err(Errno::BadFile),
        }
    }

    /// Writes at the file's offset.
    pub fn write(&self, from: UserRange) -> Result<usize, Errno> {
        if !self.writable {
            return Err(Errno::BadFile);
        }
        match &self.source {
            Source::Inode { inode, offset } => write_inode(inode, &mut offset.lock(), from),
            Source::Device { device, .. } => device.ok_or(Errno::NoDevice)?.write(from),
            Source::WriteEnd(end) => end.write(from),
            Source::ReadEnd(_) => Err(Errno::BadFile),
        }
    }

    /// The terminal.
    ///
    /// # Errors
    /// `NotTerminal` if it is none.
    pub fn terminal(&self) -> Result<Device, Errno> {
        match self.source {
            Source::Device { device, .. } => device.ok_or(Errno::NotTerminal),
            _ => Err(Errno::NotTerminal),
        }
    }

    /// Waits until the disk has what was written to it; a pipe or a device has nothing on the disk.
    pub fn sync(&self) -> Result<(), Errno> {
        match &self.source {
            Source::Inode { .. } => volume::sync(),
            Source::Device { .. } | Source::ReadEnd(_) | Source::WriteEnd(_) => Err(Errno::Invalid),
        }
    }

    /// The result of `fstat`; `BadFile` for a pipe.
    pub fn stat(&self) -> Result<Stat, Errno> {
        match &self.source {
            Source::Inode { inode, .. } | Source::Device { inode, .. } => inode.stat(),
            Source::ReadEnd(_) | Source::WriteEnd(_) => Err(Errno::BadFile),
        }
    }
}

/// Bytes copied from user memory at a time.
const WRITE_CHUNK: usize = 16 << 10;

/// Writes through a kernel buffer, because no lock of the file system may be held while user memory is accessed.
fn write_inode(inode: &InodeRef, offset: &mut u64, from: UserRange) -> Result<usize, Errno> {
    let buffer = |most: usize| KBox::try_new_zeroed_slice(from.len().min(most));
    // A single page if memory is short or fragmented.
    let mut buffer = buffer(WRITE_CHUNK).or_else(|_| buffer(PAGE_SIZE))?;
    let mut done = 0;
    while done < from.len() {
        let part = from.part(done, buffer.len());
        let bytes = buffer.get_mut(..part.len()).ok_or(Errno::Invalid)?;
        match part.read(bytes).and_then(|()| inode.write(*offset, bytes)) {
            Ok(count) => {
                done += count;
                *offset += count as u64;
                if count < part.len() && count < volume::lock().write_limit() {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

impl Drop for File {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if let Source::Inode { inode, .. } = &self.source
            && self.writable
        {
            inode.text().put_write_access();
        }
    }
}
