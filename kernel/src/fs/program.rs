//! Files that `exec` maps. A file that is open for writing cannot be mapped; then a copy of it is.

use super::cache::InodeRef;
use super::inode::Inode;
use crate::mm::{Commit, Frame, Machine};
use abi::{Errno, Use};
use core::ops::Deref;
use fallible::KArc;
use frames::FRAME_SIZE;
use vm::object::{Pager, Version};
use vm::{Mappable, Object, ObjectRange};

/// A file that an address space executes; see [`TextUse`](super::text::TextUse).
pub struct TextFile(InodeRef);

impl TextFile {
    /// Denies write access to the file.
    ///
    /// # Errors
    /// `TextBusy` if the file is open for writing; `NoMemory`.
    pub fn new(inode: &InodeRef) -> Result<TextFile, Errno> {
        inode.text().begin_exec(inode.object())?;
        Ok(TextFile(inode.clone()))
    }
}

impl Deref for TextFile {
    type Target = Inode;
    fn deref(&self) -> &Inode {
        &self.0
    }
}

impl AsRef<Object<Machine>> for TextFile {
    fn as_ref(&self) -> &Object<Machine> {
        self.object()
    }
}

impl Clone for TextFile {
    fn clone(&self) -> TextFile {
        self.0.text().share_exec();
        TextFile(self.0.clone())
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        self.0.text().end_exec();
    }
}

/// The object to map for a segment: `length` bytes of the file from `offset` on. These are the file's own pages if the
/// offset is aligned and the file is not open for writing, else a copy.
pub fn text_part(
    inode: &InodeRef,
    offset: u64,
    length: u64,
) -> Result<ObjectRange<Machine>, Errno> {
    let aligned = offset.is_multiple_of(FRAME_SIZE as u64);
    if let Some(file) = aligned.then(|| TextFile::new(inode).ok()).flatten() {
        return Ok(ObjectRange {
            of: Mappable::File(file),
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
    Ok(ObjectRange {
        of: Mappable::Anonymous(object),
        offset: 0,
        len: length,
    })
}

/// A pager that copies `length` bytes of a file from `offset` on.
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
        let mut page = Frame::try_new_zeroed(Use::Anonymous)?;
        let first = index * FRAME_SIZE as u64;
        let length = (self.length - first).min(FRAME_SIZE as u64) as usize;
        let bytes = page.bytes_mut().and_then(|page| page.get_mut(..length));
        let bytes = bytes.ok_or(Errno::Invalid)?;
        self.inode.copy_to(self.offset + first, bytes)?;
        Ok((page.into(), version))
    }
}
