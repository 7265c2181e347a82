//! Files that are run. As long as a file is, nobody can open it for writing, so that its program does not
//! change; and what is open for writing cannot be run, but a copy of it can.

use super::cache::InodeRef;
use super::inode::Inode;
use crate::mm::{Commit, Frame, Machine};
use crate::sync::{SpinLock, rank};
use abi::Errno;
use core::ops::Deref;
use frames::FRAME_SIZE;
use kmalloc::KArc;
use vm::object::{Pager, Version};
use vm::{Object, Part};

/// Who runs a file and who may write it.
pub struct TextUse(SpinLock<Uses, { rank::DEVICE }>);

struct Uses {
    /// Above zero: regions that run the file. Below zero: open files that may write it.
    count: i32,
    /// The pages of a file that is run, which are not dropped while they are mapped.
    commit: Commit,
}

impl Uses {
    /// Adds a region to those there are; false if there are none.
    fn join(&mut self) -> Result<bool, Errno> {
        if self.count < 0 {
            return Err(Errno::TextBusy);
        }
        let others = self.count > 0;
        self.count += i32::from(others);
        Ok(others)
    }
}

impl TextUse {
    pub(super) const fn new() -> TextUse {
        TextUse(SpinLock::new(Uses {
            count: 0,
            commit: Commit::NONE,
        }))
    }

    /// Adds a writer, unless the file is being run.
    pub(super) fn begin_write(&self) -> Result<(), Errno> {
        let mut uses = self.0.lock();
        if uses.count > 0 {
            return Err(Errno::TextBusy);
        }
        uses.count -= 1;
        Ok(())
    }

    /// Ends what [`TextUse::begin_write`] began.
    pub(super) fn end_write(&self) {
        self.0.lock().count += 1;
    }

    /// Whether the file is being run; also where that cannot be told at the moment.
    pub(super) fn may_be_run(&self) -> bool {
        self.0.try_lock().is_none_or(|uses| uses.count > 0)
    }

    /// Adds a region, unless the file is open for writing; with the first one all of the file's pages
    /// are promised.
    fn begin_run(&self, object: &Object<Machine>) -> Result<(), Errno> {
        if self.0.lock().join()? {
            return Ok(());
        }
        loop {
            let pages = object.size().div_ceil(FRAME_SIZE as u64);
            let commit = Commit::try_new(Object::<Machine>::frames_for(pages) as usize)?;
            let mut uses = self.0.lock();
            if uses.join()? {
                return Ok(());
            }
            // Nobody writes the file now, but somebody may have since its size was looked at.
            if pages == object.size().div_ceil(FRAME_SIZE as u64) {
                uses.count = 1;
                uses.commit = commit;
                return Ok(());
            }
        }
    }

    /// Adds a region to those there are.
    fn share_run(&self) {
        self.0.lock().count += 1;
    }

    /// Ends what [`TextUse::begin_run`] or [`TextUse::share_run`] began.
    fn end_run(&self) {
        let mut uses = self.0.lock();
        uses.count -= 1;
        if uses.count == 0 {
            uses.commit = Commit::NONE;
        }
    }
}

/// A file that some address space runs.
pub struct TextFile(InodeRef);

impl TextFile {
    /// Fails while the file is open for writing.
    pub fn new(inode: &InodeRef) -> Result<TextFile, Errno> {
        inode.text().begin_run(inode.object())?;
        Ok(TextFile(inode.clone()))
    }
}

impl Deref for TextFile {
    type Target = Inode;
    fn deref(&self) -> &Inode {
        &self.0
    }
}

impl Clone for TextFile {
    fn clone(&self) -> TextFile {
        self.0.text().share_run();
        TextFile(self.0.clone())
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        self.0.text().end_run();
    }
}

/// What a program shows of its file: `length` bytes from `offset` on. It is the file's own pages if they can
/// be mapped as they are, and otherwise a copy.
pub fn part_to_run(inode: &InodeRef, offset: u64, length: u64) -> Result<Part<Machine>, Errno> {
    let aligned = offset.is_multiple_of(FRAME_SIZE as u64);
    if let Some(file) = aligned.then(|| TextFile::new(inode).ok()).flatten() {
        return Ok(Part {
            object: inode.object().clone(),
            file: Some(file),
            offset,
            len: length,
        });
    }
    let _reading = Commit::try_new(1)?;
    let object = KArc::try_new(Object::anonymous(Machine, length)?)?;
    let copier = Copier {
        inode,
        offset,
        length,
    };
    for index in 0..length.div_ceil(FRAME_SIZE as u64) {
        object.page(index, &copier)?;
    }
    Ok(Part {
        object,
        file: None,
        offset: 0,
        len: length,
    })
}

/// Makes pages of what a file has from `offset` on, for `length` bytes.
struct Copier<'a> {
    inode: &'a Inode,
    offset: u64,
    length: u64,
}

impl Pager<Machine> for Copier<'_> {
    type Error = Errno;

    fn page_in(
        &self,
        object: &Object<Machine>,
        index: u64,
    ) -> Result<(vm::Frame<Machine>, Version), Errno> {
        let version = object.version();
        let mut page = Frame::try_new_zeroed()?;
        let first = index * FRAME_SIZE as u64;
        let length = (self.length - first).min(FRAME_SIZE as u64) as usize;
        let bytes = page.bytes_mut().get_mut(..length).ok_or(Errno::Invalid)?;
        self.inode.copy_to(self.offset + first, bytes)?;
        Ok((vm::Frame::adopt(&Machine, page.into_pfn()), version))
    }
}
