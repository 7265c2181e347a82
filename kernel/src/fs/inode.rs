//! An inode in memory, with its memory object: the page cache of its content.
//!
//! A file's content is cached once, in its object. `read`, `write` and program loading all use these
//! pages; a write goes to the file system's block buffers before it is seen here, so that every cached
//! page can be dropped at any time.

use super::text::TextUse;
use super::volume;
use crate::arch::hart;
use crate::mm::user::UserRange;
use crate::mm::{Commit, Frame, Machine};
use abi::{Errno, Event, FileType, Stat, Use};
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use fallible::{AllocError, KArc};
use frames::FRAME_SIZE;
use vm::Object;
use vm::object::{Page, Pager, Version};
use xv6fs::InodeInfo;

/// The number that `fstat` gives for the one disk.
const ROOT_DEVICE: i32 = 1;

/// An inode in memory.
pub struct Inode {
    inum: u32,
    kind: FileType,
    major: i16,
    /// References by open files, current directories and regions.
    users: AtomicUsize,
    /// It has no link: its last user frees it.
    unlinked: AtomicBool,
    text: TextUse,
    /// Pages and size. A change of the content holds the file system's lock from the change on the disk to the one
    /// here.
    object: Object<Machine>,
}

impl Inode {
    pub(super) fn try_new(inum: u32, info: &InodeInfo) -> Result<KArc<Inode>, AllocError> {
        KArc::try_new(Inode {
            inum,
            kind: info.kind,
            major: info.major,
            users: AtomicUsize::new(0),
            unlinked: AtomicBool::new(false),
            text: TextUse::new(),
            object: Object::file(Machine, u64::from(info.size)),
        })
    }

    /// Inode number.
    pub fn inum(&self) -> u32 {
        self.inum
    }

    /// File type.
    pub fn kind(&self) -> FileType {
        self.kind
    }

    /// Major device number.
    pub fn major(&self) -> i16 {
        self.major
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.object.size()
    }

    /// Its memory object.
    pub fn object(&self) -> &Object<Machine> {
        &self.object
    }

    /// Counts of executors and writers.
    pub(super) fn text(&self) -> &TextUse {
        &self.text
    }

    pub(super) fn users(&self) -> &AtomicUsize {
        &self.users
    }

    pub(super) fn unlinked(&self) -> &AtomicBool {
        &self.unlinked
    }

    /// The result of `fstat`.
    pub fn stat(&self) -> Result<Stat, Errno> {
        let info = volume::lock().stat(self.inum)?;
        Ok(Stat {
            dev: ROOT_DEVICE,
            ino: self.inum,
            kind: info.kind as i16,
            nlink: info.nlink,
            reserved: 0,
            size: u64::from(info.size),
        })
    }

    /// A page of the content, read in if it is not cached; `None` past the end.
    pub fn page(&self, index: u64) -> Result<Option<Page<Machine>>, Errno> {
        self.object.page(index, self)
    }

    /// A page of the content and the number of its bytes within the file, read atomically; `None` past the end.
    fn page_and_length(&self, index: u64) -> Result<Option<(Frame, usize)>, Errno> {
        let page = self.page(index)?;
        Ok(page.map(|Page { frame, size }| {
            let left = size.saturating_sub(index * FRAME_SIZE as u64);
            let length = left.min(FRAME_SIZE as u64) as usize;
            (frame.into(), length)
        }))
    }

    /// Copies content from `offset` on to kernel memory, up to the end of the file.
    pub fn copy_to(&self, offset: u64, to: &mut [u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < to.len() {
            let at = offset + done as u64;
            let in_page = (at % FRAME_SIZE as u64) as usize;
            let Some((page, length)) = self.page_and_length(at / FRAME_SIZE as u64)? else {
                break;
            };
            let from = page.bytes().get(in_page..length).unwrap_or_default();
            let count = from.len().min(to.len() - done);
            let (Some(to), Some(from)) = (to.get_mut(done..done + count), from.get(..count)) else {
                break;
            };
            if count == 0 {
                break;
            }
            to.copy_from_slice(from);
            done += count;
        }
        Ok(())
    }

    /// Copies content from `offset` on to user memory; returns the number of bytes, fewer at the end of the file.
    pub fn read(&self, offset: u64, to: UserRange) -> Result<usize, Errno> {
        if self.kind == FileType::Directory {
            return self.read_directory(offset, to);
        }
        // The page that is copied from is pinned.
        let _commit = Commit::try_new(1)?;
        let mut done = 0;
        while done < to.len() {
            let at = offset.saturating_add(done as u64);
            if at >= self.size() {
                break;
            }
            let in_page = (at % FRAME_SIZE as u64) as usize;
            let copied = self.page_and_length(at / FRAME_SIZE as u64);
            let copied = copied.and_then(|found| {
                let Some((page, length)) = found else {
                    return Ok(0);
                };
                let bytes = page.bytes().get(in_page..length).unwrap_or_default();
                let part = to.part(done, bytes.len());
                part.write(bytes.get(..part.len()).ok_or(Errno::Invalid)?)?;
                Ok(part.len())
            });
            match copied {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Directories are read and written through the block cache, so the page cache does not have them.
    fn read_directory(&self, offset: u64, to: UserRange) -> Result<usize, Errno> {
        let _commit = Commit::try_new(1)?;
        let mut page = Frame::try_new(Use::Kernel)?;
        let mut done = 0;
        while done < to.len() {
            let part = to.part(done, FRAME_SIZE);
            let bytes = page
                .bytes_mut()
                .and_then(|page| page.get_mut(..part.len()))
                .ok_or(Errno::Invalid)?;
            let count = volume::lock().read(self.inum, offset + done as u64, bytes)?;
            part.write(bytes.get(..count).ok_or(Errno::Invalid)?)?;
            done += count;
            if count < part.len() {
                break;
            }
        }
        Ok(done)
    }

    /// Writes `data` at `offset`, as much as fits one transaction; returns the number of bytes.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> Result<usize, Errno> {
        let mut fs = volume::lock();
        let limit = data.len().min(fs.write_limit());
        let count = fs.write(self.inum, offset, data.get(..limit).unwrap_or_default())?;
        let range = offset..offset + count as u64;
        self.object.write(range, |pfn, inside, from| {
            // SAFETY: the object has the only reference and is locked; this one is not dropped.
            let mut page = ManuallyDrop::new(unsafe { Frame::from_pfn(pfn) });
            let bytes = data.get(from..from + inside.len());
            let place = page.bytes_mut().and_then(|page| page.get_mut(inside));
            if let (Some(place), Some(bytes)) = (place, bytes) {
                place.copy_from_slice(bytes);
            }
        });
        Ok(count)
    }

    /// Truncates to size 0.
    pub(super) fn truncate(&self) -> Result<(), Errno> {
        if self.size() == 0 {
            return Ok(()); // no transaction for a new file
        }
        let mut fs = volume::lock();
        let done = fs.truncate(self.inum);
        // A truncation of several transactions may fail halfway.
        let size = match done {
            Ok(()) => 0,
            Err(_) => fs.stat(self.inum)?.size,
        };
        self.object.truncate(u64::from(size));
        Ok(done?)
    }

    /// Drops at most `wanted` cached pages that nobody uses; returns their number. Does nothing if the object is
    /// locked, because this is called from within allocations.
    pub(super) fn shrink(&self, wanted: usize) -> usize {
        // While it is executed, the list of pages keeps its memory: a fault must not need to allocate it.
        self.object.shrink(wanted, self.text.may_be_executed())
    }
}

impl Pager<Machine> for Inode {
    type Error = Errno;

    fn page_in(
        &self,
        object: &Object<Machine>,
        index: u64,
    ) -> Result<(vm::Frame<Machine>, Version), Errno> {
        let mut page = Frame::try_new_zeroed(Use::File)?;
        let mut fs = volume::lock();
        let version = object.version();
        let bytes = page.bytes_mut().ok_or(Errno::Invalid)?;
        fs.read(self.inum, index * FRAME_SIZE as u64, bytes)?;
        drop(fs);
        hart::note(Event::PageIn);
        Ok((page.into(), version))
    }
}
