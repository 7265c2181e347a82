//! An inode in memory: who uses it, and the memory object with the pages of its content.
//!
//! A file's content is cached once, in its object. `read`, `write` and program loading all use these
//! pages; a write goes to the file system's block buffers before it is seen here, so that every cached
//! page can be dropped at any time.

use super::text::TextUse;
use super::volume;
use crate::arch::hart;
use crate::mm::user::UserRange;
use crate::mm::{Commit, Frame, Machine};
use abi::{Errno, Event, FileType, Stat};
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
    /// References by files, directories and regions.
    users: AtomicUsize,
    /// No directory names it any more: it goes with its last user.
    unlinked: AtomicBool,
    text: TextUse,
    /// Knows the size, too. Whoever changes the content has the file system locked from the change on the
    /// disk to the one here.
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

    /// Number on the disk.
    pub fn inum(&self) -> u32 {
        self.inum
    }

    /// What it is.
    pub fn kind(&self) -> FileType {
        self.kind
    }

    /// Which device.
    pub fn major(&self) -> i16 {
        self.major
    }

    /// Bytes of content.
    pub fn size(&self) -> u64 {
        self.object.size()
    }

    /// Its pages.
    pub fn object(&self) -> &Object<Machine> {
        &self.object
    }

    /// Who runs it, and who may write it.
    pub(super) fn text(&self) -> &TextUse {
        &self.text
    }

    pub(super) fn users(&self) -> &AtomicUsize {
        &self.users
    }

    pub(super) fn unlinked(&self) -> &AtomicBool {
        &self.unlinked
    }

    /// What `fstat` tells.
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

    /// A page of the content; none behind the end.
    pub fn page(&self, index: u64) -> Result<Option<Page<Machine>>, Errno> {
        self.object.page(index, self)
    }

    /// A page of the content and how many of its bytes the file has, as of one moment; none behind the end.
    fn page_and_length(&self, index: u64) -> Result<Option<(Frame, usize)>, Errno> {
        let page = self.page(index)?;
        Ok(page.map(|Page { frame, size }| {
            let left = size.saturating_sub(index * FRAME_SIZE as u64);
            let length = left.min(FRAME_SIZE as u64) as usize;
            (frame.into(), length)
        }))
    }

    /// Copies content from `offset` on to memory of the kernel, as much as there is.
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

    /// Copies content from `offset` on to user memory; gives the number of bytes, fewer than asked
    /// at the end of the file.
    pub fn read(&self, offset: u64, to: UserRange) -> Result<usize, Errno> {
        if self.kind == FileType::Directory {
            return self.read_directory(offset, to);
        }
        // A page is not dropped while it is copied from.
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

    /// Directories change through the block cache, so their content is never cached as pages.
    fn read_directory(&self, offset: u64, to: UserRange) -> Result<usize, Errno> {
        let _commit = Commit::try_new(1)?;
        let mut page = Frame::try_new()?;
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

    /// Writes bytes of the kernel at `offset`, as many as fit one transaction; gives their number.
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

    /// Drops the whole content.
    pub(super) fn truncate(&self) -> Result<(), Errno> {
        if self.size() == 0 {
            return Ok(()); // as each newly made file is: no transaction for nothing
        }
        let mut fs = volume::lock();
        let done = fs.truncate(self.inum);
        // A truncation that fails has gone a part of the way if it took several transactions.
        let size = match done {
            Ok(()) => 0,
            Err(_) => fs.stat(self.inum)?.size,
        };
        self.object.truncate(u64::from(size));
        Ok(done?)
    }

    /// Drops cached pages that nobody else uses, `wanted` at the most; gives their number. Does
    /// nothing where the object is in use, because this is called from within allocations.
    pub(super) fn shrink(&self, wanted: usize) -> usize {
        // A program that runs must not need memory for the list when it touches a page again.
        self.object.shrink(wanted, self.text.may_be_run())
    }
}

impl Pager<Machine> for Inode {
    type Error = Errno;

    fn page_in(
        &self,
        object: &Object<Machine>,
        index: u64,
    ) -> Result<(vm::Frame<Machine>, Version), Errno> {
        let mut page = Frame::try_new_zeroed()?;
        let mut fs = volume::lock();
        let version = object.version();
        let bytes = page.bytes_mut().ok_or(Errno::Invalid)?;
        fs.read(self.inum, index * FRAME_SIZE as u64, bytes)?;
        drop(fs);
        hart::note(Event::PageIn);
        Ok((page.into(), version))
    }
}
