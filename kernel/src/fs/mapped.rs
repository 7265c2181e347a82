//! Files as address spaces map them.

use super::cache::InodeRef;
use super::inode::Inode;
use crate::mm::{Commit, Frame};
use abi::Errno;
use fallible::{KArc, KVec};
use frames::FRAME_SIZE;

/// A file that some address space runs. As long as one of these lives, nobody can open the file for
/// writing, so that what is mapped does not change.
pub struct MappedFile(Source);

enum Source {
    /// A file on the disk.
    File(InodeRef),
    /// A copy in memory, of a file that could not be mapped as it is.
    Copy(KArc<Inode>),
}

impl MappedFile {
    /// The file itself; fails while it is open for writing.
    pub fn new(inode: &InodeRef) -> Result<MappedFile, Errno> {
        inode.begin_run()?;
        Ok(MappedFile(Source::File(inode.clone())))
    }

    /// A copy of `length` bytes of a file from `offset` on, for a file that is open for writing or
    /// whose part does not begin on a page.
    pub fn copy_of(inode: &Inode, offset: u64, length: u64) -> Result<MappedFile, Errno> {
        let count = usize::try_from(length)
            .map_err(|_| Errno::Invalid)?
            .div_ceil(FRAME_SIZE);
        let _reading = Commit::try_new(1)?;
        let commit = Commit::try_new(count)?;
        let mut pages = KVec::new();
        pages.try_reserve_exact(count)?;
        for i in 0..count {
            let mut page = Frame::try_new_zeroed()?;
            let done = i * FRAME_SIZE;
            let wanted = FRAME_SIZE.min(length as usize - done);
            copy_part(
                inode,
                offset + done as u64,
                page.bytes_mut().and_then(|page| page.get_mut(..wanted)),
            )?;
            pages.try_push(Some(page))?;
        }
        let copy = KArc::try_new(Inode::memory_only(pages, length, commit))?;
        Ok(MappedFile(Source::Copy(copy)))
    }

    fn inode(&self) -> &Inode {
        match &self.0 {
            Source::File(inode) => inode,
            Source::Copy(inode) => inode,
        }
    }

    /// The inode's number; 0 for a copy.
    pub fn inum(&self) -> u32 {
        self.inode().inum()
    }

    /// A page of the file.
    pub fn page(&self, index: u64) -> Result<Frame, Errno> {
        self.inode().page(index)
    }
}

/// Copies file content to `to`, which may span two pages of the file.
fn copy_part(inode: &Inode, offset: u64, to: Option<&mut [u8]>) -> Result<(), Errno> {
    let to = to.ok_or(Errno::Invalid)?;
    let mut done = 0;
    while done < to.len() {
        let at = offset + done as u64;
        let in_page = (at % FRAME_SIZE as u64) as usize;
        let count = (FRAME_SIZE - in_page).min(to.len() - done);
        let page = inode.page(at / FRAME_SIZE as u64)?;
        let from = page
            .bytes()
            .get(in_page..in_page + count)
            .ok_or(Errno::Invalid)?;
        to.get_mut(done..done + count)
            .ok_or(Errno::Invalid)?
            .copy_from_slice(from);
        done += count;
    }
    Ok(())
}

impl Clone for MappedFile {
    fn clone(&self) -> MappedFile {
        MappedFile(match &self.0 {
            Source::File(inode) => {
                inode.share_run();
                Source::File(inode.clone())
            }
            Source::Copy(inode) => Source::Copy(inode.clone()),
        })
    }
}

impl PartialEq for MappedFile {
    fn eq(&self, other: &MappedFile) -> bool {
        core::ptr::eq(self.inode(), other.inode())
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        if let Source::File(inode) = &self.0 {
            inode.end_run();
        }
    }
}
