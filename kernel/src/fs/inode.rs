//! An inode in memory: who uses it, and the pages of its content.
//!
//! A file's content is cached once, as pages. `read`, `write` and program loading all use these
//! pages; a write goes to the disk through the log before it is seen here, so that every cached
//! page is clean and can be dropped at any time.

use super::volume;
use crate::arch::hart;
use crate::mm::user::UserRange;
use crate::mm::{Commit, Frame};
use crate::sched::{Awaited, SleepLock};
use crate::sync::{SpinLock, rank};
use abi::{Errno, Event, FileType, Stat};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use fallible::KVec;
use frames::FRAME_SIZE;
use xv6fs::InodeInfo;

/// The number that `fstat` gives for the one disk.
const ROOT_DEVICE: i32 = 1;

/// An inode in memory.
pub struct Inode {
    inum: u32,
    kind: FileType,
    major: i16,
    size: AtomicU64,
    /// References by files, directories and mappings.
    users: AtomicUsize,
    /// No directory names it any more: it goes with its last user.
    unlinked: AtomicBool,
    text: SpinLock<TextUse, { rank::DEVICE }>,
    content: SleepLock<KVec<Option<Frame>>>,
}

/// Who runs a file and who may write it.
struct TextUse {
    /// Above zero: mappings that run the file. Below zero: open files that may write it.
    count: i32,
    /// The pages of a file that is run, which are not dropped while they are mapped.
    commit: Commit,
}

impl TextUse {
    /// Adds a mapping to those there are; false if there are none.
    fn join(&mut self) -> Result<bool, Errno> {
        if self.count < 0 {
            return Err(Errno::TextBusy);
        }
        let others = self.count > 0;
        self.count += i32::from(others);
        Ok(others)
    }
}

impl Inode {
    pub(super) fn new(inum: u32, info: &InodeInfo) -> Inode {
        Inode {
            inum,
            kind: info.kind,
            major: info.major,
            size: AtomicU64::new(u64::from(info.size)),
            users: AtomicUsize::new(0),
            unlinked: AtomicBool::new(false),
            text: SpinLock::new(TextUse {
                count: 0,
                commit: Commit::NONE,
            }),
            content: SleepLock::new(Awaited::ContentLock, KVec::new()),
        }
    }

    /// A file of which only the memory exists: `pages` are its whole content, which was promised.
    pub(super) fn memory_only(pages: KVec<Option<Frame>>, size: u64, commit: Commit) -> Inode {
        let info = InodeInfo {
            kind: FileType::File,
            major: 0,
            minor: 0,
            nlink: 1,
            size: 0,
        };
        let inode = Inode::new(0, &info);
        inode.size.store(size, Ordering::Relaxed);
        inode.text.lock().commit = commit;
        Inode {
            content: SleepLock::new(Awaited::ContentLock, pages),
            ..inode
        }
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
        self.size.load(Ordering::Acquire)
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

    /// Adds a writer, unless the file is being run.
    pub(super) fn begin_write(&self) -> Result<(), Errno> {
        let mut text = self.text.lock();
        if text.count > 0 {
            return Err(Errno::TextBusy);
        }
        text.count -= 1;
        Ok(())
    }

    /// Ends what [`Inode::begin_write`] began.
    pub(super) fn end_write(&self) {
        self.text.lock().count += 1;
    }

    /// Adds a mapping, unless the file is open for writing; with the first one all of the file's pages
    /// are promised.
    pub(super) fn begin_run(&self) -> Result<(), Errno> {
        if self.text.lock().join()? {
            return Ok(());
        }
        loop {
            let pages = self.size().div_ceil(FRAME_SIZE as u64);
            let commit = Commit::try_new(pages as usize)?;
            let mut text = self.text.lock();
            if text.join()? {
                return Ok(());
            }
            // Nobody writes the file now, but somebody may have since its size was looked at.
            if pages == self.size().div_ceil(FRAME_SIZE as u64) {
                text.count = 1;
                text.commit = commit;
                return Ok(());
            }
        }
    }

    /// Adds a mapping to those there are.
    pub(super) fn share_run(&self) {
        self.text.lock().count += 1;
    }

    /// Ends what [`Inode::begin_run`] or [`Inode::share_run`] began.
    pub(super) fn end_run(&self) {
        let mut text = self.text.lock();
        text.count -= 1;
        if text.count == 0 {
            text.commit = Commit::NONE;
        }
    }

    /// A page of the content; behind the end of the file it is zero.
    pub fn page(&self, index: u64) -> Result<Frame, Errno> {
        let mut pages = self.content.lock();
        self.page_locked(&mut pages, index)
    }

    /// A page of the content and how many of its bytes the file has, as of one moment.
    fn page_and_length(&self, index: u64) -> Result<(Frame, usize), Errno> {
        let mut pages = self.content.lock();
        let page = self.page_locked(&mut pages, index)?;
        let left = self.size().saturating_sub(index * FRAME_SIZE as u64);
        Ok((page, left.min(FRAME_SIZE as u64) as usize))
    }

    fn page_locked(&self, pages: &mut KVec<Option<Frame>>, index: u64) -> Result<Frame, Errno> {
        let index = usize::try_from(index).map_err(|_| Errno::Invalid)?;
        if let Some(Some(page)) = pages.get(index) {
            return Ok(page.share());
        }
        let page = Frame::try_new_zeroed().or_else(|error| {
            // Nobody else can give back pages of this file meanwhile.
            let mut clean = pages
                .iter_mut()
                .filter(|page| page.as_ref().is_some_and(Frame::is_unique));
            *clean.next().ok_or(error)? = None;
            Frame::try_new_zeroed()
        });
        let mut page = page?;
        let offset = (index * FRAME_SIZE) as u64;
        if offset < self.size() {
            if pages.len() <= index {
                let more = index + 1 - pages.len();
                pages.try_reserve(more)?;
                while pages.len() <= index {
                    pages.try_push(None)?;
                }
            }
            let bytes = page.bytes_mut().ok_or(Errno::Invalid)?;
            volume::lock().read(self.inum, offset, bytes)?;
            hart::note(Event::PageIn);
            if let Some(place) = pages.get_mut(index) {
                *place = Some(page.share());
            }
        }
        Ok(page)
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
            let copied = copied.and_then(|(page, length)| {
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
        let mut pages = self.content.lock();
        let mut fs = volume::lock();
        let limit = data.len().min(fs.write_limit());
        let count = fs.write(self.inum, offset, data.get(..limit).unwrap_or_default())?;
        drop(fs);
        let end = offset + count as u64;
        let mut at = offset;
        while at < end {
            let in_page = (at % FRAME_SIZE as u64) as usize;
            let length = (FRAME_SIZE - in_page).min((end - at) as usize);
            let from = (at - offset) as usize;
            let place = pages.get_mut((at / FRAME_SIZE as u64) as usize);
            let bytes = data.get(from..from + length).unwrap_or_default();
            if let Some(place) = place {
                update(place, in_page, bytes);
            }
            at += length as u64;
        }
        self.size.fetch_max(end, Ordering::Release);
        Ok(count)
    }

    /// Drops the whole content.
    pub(super) fn truncate(&self) -> Result<(), Errno> {
        let mut pages = self.content.lock();
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
        self.size.store(u64::from(size), Ordering::Release);
        pages.clear();
        Ok(done?)
    }

    /// Drops cached pages that nobody else uses, `wanted` at the most; gives their number. Does
    /// nothing where the content is in use, because this is called from within allocations.
    pub(super) fn shrink(&self, wanted: usize) -> usize {
        let Some(mut pages) = self.content.try_lock() else {
            return 0;
        };
        let mut dropped = 0;
        for place in pages.iter_mut() {
            if dropped < wanted && place.as_ref().is_some_and(Frame::is_unique) {
                *place = None;
                dropped += 1;
            }
        }
        // A program that runs must not need memory for the list when it touches a page again.
        let run = self.text.try_lock().is_none_or(|text| text.count > 0);
        if !run && pages.iter().all(Option::is_none) {
            *pages = KVec::new();
        }
        dropped
    }

    /// Cached pages; none while somebody uses the content.
    pub(super) fn cached(&self) -> usize {
        let pages = self.content.try_lock();
        pages.map_or(0, |pages| pages.iter().flatten().count())
    }

    /// Cached pages that [`Inode::shrink`] would drop now.
    pub(super) fn reclaimable(&self) -> usize {
        let Some(pages) = self.content.try_lock() else {
            return 0;
        };
        pages
            .iter()
            .flatten()
            .filter(|page| page.is_unique())
            .count()
    }
}

/// Brings a cached page up to date. A page that a reader is copying from at the moment is dropped
/// instead: the reader keeps the old bytes, the next one reads the disk.
fn update(place: &mut Option<Frame>, start: usize, bytes: &[u8]) {
    let page = place.as_mut().and_then(Frame::bytes_mut);
    match page.and_then(|page| page.get_mut(start..start + bytes.len())) {
        Some(to) => to.copy_from_slice(bytes),
        None => *place = None,
    }
}
