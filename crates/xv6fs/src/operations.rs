//! The operations that create and remove names and inodes. Each is one transaction.

use crate::device::BlockDevice;
use crate::dir::Name;
use crate::layout::DiskInode;
use crate::{Error, Fs, Inum, ROOT};
use abi::FileType;

/// The inode that [`Fs::unlink`] removed a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// The inode.
    pub inum: Inum,
    /// Its remaining links. At 0, [free](Fs::free) it when it is no longer open.
    pub nlink: i16,
}

impl<D: BlockDevice> Fs<D> {
    /// Creates an inode and its name in a directory. A new directory gets `.` and `..`.
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::NotFound`] when `dir` has been removed; [`Error::Invalid`]
    /// for an invalid name; [`Error::Exists`]; [`Error::NoInodes`]; [`Error::NoSpace`];
    /// [`Error::FileTooLarge`] when the directory is full; [`Error::TooManyLinks`] when it has too
    /// many subdirectories.
    pub fn create(
        &mut self,
        dir: Inum,
        name: &[u8],
        kind: FileType,
        major: i16,
        minor: i16,
    ) -> Result<Inum, Error> {
        self.transaction(|fs| {
            let (mut parent, name, free) = fs.prepare_entry(dir, name)?;
            let inum = fs.find_free_inode()?;
            let mut inode = DiskInode {
                kind: kind as i16,
                major,
                minor,
                nlink: 1,
                ..DiskInode::default()
            };
            if kind == FileType::Directory {
                parent.nlink = inc_nlink(parent.nlink)?;
                fs.write_entry(&mut inode, 0, &Name::SELF, inum)?;
                let end = inode.size;
                fs.write_entry(&mut inode, end, &Name::PARENT, dir)?;
            }
            fs.write_entry(&mut parent, free, &name, inum)?;
            fs.store_inode(inum, &inode)?;
            fs.store_inode(dir, &parent)?;
            Ok(inum)
        })
    }

    /// Adds a name for an inode.
    ///
    /// # Errors
    /// Those of [`Fs::create`] but `NoInodes`; [`Error::IsDirectory`]; [`Error::NotFound`] when the
    /// inode is free or unlinked; [`Error::TooManyLinks`].
    pub fn link(&mut self, inum: Inum, dir: Inum, name: &[u8]) -> Result<(), Error> {
        self.transaction(|fs| {
            let mut inode = fs.inode(inum)?;
            if inode.file_type()? == FileType::Directory {
                return Err(Error::IsDirectory);
            }
            if inode.nlink == 0 {
                return Err(Error::NotFound);
            }
            let (mut parent, name, free) = fs.prepare_entry(dir, name)?;
            inode.nlink = inc_nlink(inode.nlink)?;
            fs.write_entry(&mut parent, free, &name, inum)?;
            fs.store_inode(inum, &inode)?;
            fs.store_inode(dir, &parent)
        })
    }

    /// Removes a name. The inode stays allocated, even with no link left, until [`Fs::free`].
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::NotFound`]; [`Error::Invalid`] for `.` and `..`;
    /// [`Error::NotEmpty`] for a directory with entries.
    pub fn unlink(&mut self, dir: Inum, name: &[u8]) -> Result<Unlinked, Error> {
        self.transaction(|fs| {
            let mut parent = fs.directory(dir)?;
            let name = Name::new(name)?;
            if name.is_dot_or_dotdot() {
                return Err(Error::Invalid);
            }
            let (offset, inum) = fs.search(&parent, &name)?.found.ok_or(Error::NotFound)?;
            if inum == dir || inum == ROOT {
                return Err(Error::Corrupt("a directory that contains itself"));
            }
            let mut inode = fs.inode(inum).map_err(|error| match error {
                Error::NotFound => Error::Corrupt("a directory entry of a free inode"),
                error => error,
            })?;
            inode.nlink = dec_nlink(inode.nlink)?;
            if inode.file_type()? == FileType::Directory {
                if !fs.is_empty(&inode)? {
                    return Err(Error::NotEmpty);
                }
                if inode.nlink != 0 {
                    return Err(Error::Corrupt("a directory with the wrong link count"));
                }
                parent.nlink = dec_nlink(parent.nlink)?;
            }
            fs.clear_entry(&mut parent, offset)?;
            fs.store_inode(inum, &inode)?;
            fs.store_inode(dir, &parent)?;
            Ok(Unlinked {
                inum,
                nlink: inode.nlink,
            })
        })
    }

    /// Frees an unlinked inode that is no longer open, and its data.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has a link; [`Error::NotFound`] when it is free;
    /// [`Error::Corrupt`]; [`Error::Device`].
    pub fn free(&mut self, inum: Inum) -> Result<(), Error> {
        self.truncate_all(inum, |fs, inode| match inode.nlink {
            0 => fs.release_inode(inum),
            _ => Err(Error::Invalid),
        })
    }

    /// Truncates a file to size 0.
    ///
    /// # Errors
    /// [`Error::IsDirectory`]; [`Error::Invalid`] for a device; [`Error::NotFound`] when it is free;
    /// [`Error::Corrupt`]; [`Error::Device`].
    pub fn truncate(&mut self, inum: Inum) -> Result<(), Error> {
        match self.inode(inum)?.file_type()? {
            FileType::Directory => return Err(Error::IsDirectory),
            FileType::Device => return Err(Error::Invalid),
            FileType::File => {}
        }
        self.truncate_all(inum, |fs, inode| fs.store_inode(inum, inode))
    }

    /// Frees an inode's data, then runs `rest`. One transaction, unless the blocks span more bitmap
    /// blocks than the log holds; then several, each leaving a shorter file.
    fn truncate_all(
        &mut self,
        inum: Inum,
        rest: impl Fn(&mut Self, &DiskInode) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.transaction(|fs| {
            let mut inode = fs.inode(inum)?;
            let all = fs.truncate_step(&mut inode)?;
            if all {
                rest(fs, &inode)?;
            } else {
                fs.store_inode(inum, &inode)?;
            }
            Ok(all)
        })? {}
        Ok(())
    }

    /// Checks that `name` can be created in `dir`. Returns the directory, the name, and the offset
    /// for its dirent.
    fn prepare_entry(&mut self, dir: Inum, name: &[u8]) -> Result<(DiskInode, Name, u32), Error> {
        let parent = self.directory(dir)?;
        if parent.nlink == 0 {
            return Err(Error::NotFound);
        }
        let name = Name::new(name)?;
        let search = self.search(&parent, &name)?;
        match search.found {
            Some(_) => Err(Error::Exists),
            None => Ok((parent, name, search.free)),
        }
    }
}

fn inc_nlink(nlink: i16) -> Result<i16, Error> {
    nlink.checked_add(1).ok_or(Error::TooManyLinks)
}

fn dec_nlink(nlink: i16) -> Result<i16, Error> {
    match nlink {
        1.. => Ok(nlink - 1),
        _ => Err(Error::Corrupt(
            "a directory entry of an inode without links",
        )),
    }
}
