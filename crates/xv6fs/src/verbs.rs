//! Operations that make and remove names and inodes. Each is one transaction.

use crate::device::BlockDevice;
use crate::dir::Name;
use crate::layout::DiskInode;
use crate::{Error, Fs, Inum, ROOT};
use abi::FileType;

/// What [`Fs::unlink`] took the name from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// The inode.
    pub inum: Inum,
    /// Names it has left. With none, it is to be [freed](Fs::free) when nobody has it open.
    pub nlink: i16,
}

impl<D: BlockDevice> Fs<D> {
    /// Makes an inode and gives it a name in a directory. A directory gets its `.` and `..`.
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::NotFound`] when `dir` has been removed; [`Error::Invalid`] for
    /// a name that cannot be; [`Error::Exists`]; [`Error::NoInodes`]; [`Error::NoSpace`];
    /// [`Error::FileTooLarge`] when the directory is full; [`Error::TooManyLinks`] when it has too
    /// many directories.
    pub fn create(
        &mut self,
        dir: Inum,
        name: &[u8],
        kind: FileType,
        major: i16,
        minor: i16,
    ) -> Result<Inum, Error> {
        self.transaction(|fs| {
            let (mut parent, name, free) = fs.place_for(dir, name)?;
            let inum = fs.find_free_inode()?;
            let mut inode = DiskInode {
                kind: kind as i16,
                major,
                minor,
                nlink: 1,
                ..DiskInode::default()
            };
            if kind == FileType::Directory {
                parent.nlink = one_more(parent.nlink)?;
                fs.put_entry(&mut inode, 0, &Name::SELF, inum)?;
                let end = inode.size;
                fs.put_entry(&mut inode, end, &Name::PARENT, dir)?;
            }
            fs.put_entry(&mut parent, free, &name, inum)?;
            fs.store_inode(inum, &inode)?;
            fs.store_inode(dir, &parent)?;
            Ok(inum)
        })
    }

    /// Gives an inode one more name.
    ///
    /// # Errors
    /// Those of [`Fs::create`] but `NoInodes`; [`Error::IsDirectory`]; [`Error::NotFound`] when the
    /// inode is free or has no name any more; [`Error::TooManyLinks`] when it has too many.
    pub fn link(&mut self, inum: Inum, dir: Inum, name: &[u8]) -> Result<(), Error> {
        self.transaction(|fs| {
            let mut inode = fs.inode(inum)?;
            if inode.file_type()? == FileType::Directory {
                return Err(Error::IsDirectory);
            }
            if inode.nlink == 0 {
                return Err(Error::NotFound);
            }
            let (mut parent, name, free) = fs.place_for(dir, name)?;
            inode.nlink = one_more(inode.nlink)?;
            fs.put_entry(&mut parent, free, &name, inum)?;
            fs.store_inode(inum, &inode)?;
            fs.store_inode(dir, &parent)
        })
    }

    /// Takes a name from an inode. The inode stays, even without any name, until [`Fs::free`].
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::NotFound`]; [`Error::Invalid`] for `.` and `..`;
    /// [`Error::NotEmpty`] for a directory with entries.
    pub fn unlink(&mut self, dir: Inum, name: &[u8]) -> Result<Unlinked, Error> {
        self.transaction(|fs| {
            let mut parent = fs.directory(dir)?;
            let name = Name::new(name)?;
            if name.is_dots() {
                return Err(Error::Invalid);
            }
            let (offset, inum) = fs.search(&parent, &name)?.found.ok_or(Error::NotFound)?;
            if inum == dir || inum == ROOT {
                return Err(Error::Corrupt("a directory within itself"));
            }
            let mut inode = fs.inode(inum).map_err(|error| match error {
                Error::NotFound => Error::Corrupt("an entry of a free inode"),
                error => error,
            })?;
            inode.nlink = one_less(inode.nlink)?;
            if inode.file_type()? == FileType::Directory {
                if !fs.is_empty(&inode)? {
                    return Err(Error::NotEmpty);
                }
                if inode.nlink != 0 {
                    return Err(Error::Corrupt("links of a directory"));
                }
                parent.nlink = one_less(parent.nlink)?;
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

    /// Frees an inode that has no name, and its content, when nobody has it open any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has a name; [`Error::NotFound`] when it is free;
    /// [`Error::Corrupt`]; [`Error::Device`].
    pub fn free(&mut self, inum: Inum) -> Result<(), Error> {
        self.cut_all(inum, |fs, inode| match inode.nlink {
            0 => fs.release_inode(inum),
            _ => Err(Error::Invalid),
        })
    }

    /// Drops the content of a file.
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
        self.cut_all(inum, |fs, inode| fs.store_inode(inum, inode))
    }

    /// Frees an inode's content, then does the rest. One transaction, unless the blocks lie in
    /// so many parts of the bitmap that the log cannot hold them; then one step after the other, each
    /// leaving a shorter file.
    fn cut_all(
        &mut self,
        inum: Inum,
        rest: impl Fn(&mut Self, &DiskInode) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.transaction(|fs| {
            let mut inode = fs.inode(inum)?;
            let all = fs.cut(&mut inode)?;
            if all {
                rest(fs, &inode)?;
            } else {
                fs.store_inode(inum, &inode)?;
            }
            Ok(all)
        })? {}
        Ok(())
    }

    /// A directory in which a new name can be made, the name, and where its entry goes.
    fn place_for(&mut self, dir: Inum, name: &[u8]) -> Result<(DiskInode, Name, u32), Error> {
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

fn one_more(nlink: i16) -> Result<i16, Error> {
    nlink.checked_add(1).ok_or(Error::TooManyLinks)
}

fn one_less(nlink: i16) -> Result<i16, Error> {
    match nlink {
        1.. => Ok(nlink - 1),
        _ => Err(Error::Corrupt("an entry of an inode without links")),
    }
}
