//! Directories: files of entries (dirents) that map names to inodes.

use crate::cache::Reuse;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::{DIRENT_SIZE, DiskInode};
use crate::{Error, Fs, Inum};
use abi::{DIRSIZ, Dirent, FileType};
use zerocopy::IntoBytes;

/// A name as a dirent stores it: at most [`DIRSIZ`] bytes, padded with zeros. Longer names are
/// truncated here and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name([u8; DIRSIZ]);

impl Name {
    pub(crate) const SELF: Name = Name::short(b".");
    pub(crate) const PARENT: Name = Name::short(b"..");

    /// # Errors
    /// [`Error::Invalid`] for an empty name, or one with a `/` or zero byte.
    pub(crate) fn new(name: &[u8]) -> Result<Self, Error> {
        if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(Error::Invalid);
        }
        Ok(Self::short(name))
    }

    const fn short(name: &[u8]) -> Self {
        let mut bytes = [0; DIRSIZ];
        let mut at = 0;
        while at < name.len() && at < DIRSIZ {
            bytes[at] = name[at];
            at += 1;
        }
        Self(bytes)
    }

    /// Whether it is `.` or `..`.
    pub(crate) fn is_dot_or_dotdot(&self) -> bool {
        *self == Self::SELF || *self == Self::PARENT
    }

    /// Whether it equals a dirent's name field, up to the terminating zero.
    fn is(&self, field: &[u8]) -> bool {
        for (ours, theirs) in self.0.iter().zip(field) {
            if ours != theirs {
                return false;
            }
            if *ours == 0 {
                break;
            }
        }
        true
    }
}

/// The result of looking for a name in a directory.
pub(crate) struct Search {
    /// The dirent with the name: its offset, and the inode that it names.
    pub(crate) found: Option<(u32, Inum)>,
    /// The offset of the first free dirent, or the end.
    pub(crate) free: u32,
}

impl<D: BlockDevice> Fs<D> {
    /// Looks up a name in a directory. Only the first [`DIRSIZ`] bytes of the name count. In a
    /// removed directory only `.` is found.
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::NotFound`] when `dir` is free; [`Error::Corrupt`];
    /// [`Error::Device`].
    pub fn lookup(&mut self, dir: Inum, name: &[u8]) -> Result<Option<Inum>, Error> {
        let inode = self.directory(dir)?;
        let Ok(name) = Name::new(name) else {
            return Ok(None);
        };
        if inode.nlink == 0 && name != Name::SELF {
            // Its parent may be removed too, and the inode number reused.
            return Ok(None);
        }
        Ok(self.search(&inode, &name)?.found.map(|(_, inum)| inum))
    }

    /// The inode of a directory.
    pub(crate) fn directory(&mut self, dir: Inum) -> Result<DiskInode, Error> {
        let inode = self.inode(dir)?;
        match inode.file_type()? {
            FileType::Directory => Ok(inode),
            _ => Err(Error::NotDirectory),
        }
    }

    /// Looks for a name in a directory.
    pub(crate) fn search(&mut self, dir: &DiskInode, name: &Name) -> Result<Search, Error> {
        let mut free = dir.size;
        let mut found = None;
        self.entries(dir, |offset, inum, field| {
            if inum == 0 {
                free = free.min(offset);
            } else if name.is(field) {
                found = Some((offset, inum));
            }
            found.is_none()
        })?;
        if let Some((_, inum)) = found {
            self.superblock
                .inode_position(inum)
                .map_err(|_| Error::Corrupt("a directory entry with an invalid inode number"))?;
        }
        Ok(Search { found, free })
    }

    /// Whether a directory has no entries but `.` and `..`.
    pub(crate) fn is_empty(&mut self, dir: &DiskInode) -> Result<bool, Error> {
        let mut empty = true;
        self.entries(dir, |_, inum, field| {
            empty = inum == 0 || Name::SELF.is(field) || Name::PARENT.is(field);
            empty
        })?;
        Ok(empty)
    }

    /// Calls `each` with the offset, inode number and name field of every dirent, including free
    /// ones, until it returns `false`.
    pub(crate) fn entries(
        &mut self,
        dir: &DiskInode,
        mut each: impl FnMut(u32, Inum, &[u8]) -> bool,
    ) -> Result<(), Error> {
        for index in 0..dir.blocks() {
            let block = self
                .bmap(dir, index)?
                .ok_or(Error::Corrupt("a hole in a directory"))?;
            let first = (index * BLOCK_SIZE) as u32;
            let (entries, _) = self
                .cache
                .read(block, Reuse::Likely)?
                .as_chunks::<{ DIRENT_SIZE as usize }>();
            for (offset, [low, high, field @ ..]) in
                (first..dir.size).step_by(DIRENT_SIZE as usize).zip(entries)
            {
                if !each(offset, u16::from_le_bytes([*low, *high]).into(), field) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Writes a dirent at the offset that [`Fs::search`] found. The caller stores the directory's
    /// inode.
    ///
    /// # Errors
    /// [`Error::NoSpace`] and [`Error::FileTooLarge`].
    pub(crate) fn write_entry(
        &mut self,
        dir: &mut DiskInode,
        offset: u32,
        name: &Name,
        inum: Inum,
    ) -> Result<(), Error> {
        let entry = Dirent {
            inum: u16::try_from(inum).map_err(|_| Error::Invalid)?,
            name: name.0,
        };
        self.write_data(dir, offset as usize, entry.as_bytes())?;
        Ok(())
    }

    /// Clears a dirent.
    pub(crate) fn clear_entry(&mut self, dir: &mut DiskInode, offset: u32) -> Result<(), Error> {
        self.write_data(dir, offset as usize, Dirent::default().as_bytes())?;
        Ok(())
    }
}
