//! Inodes: the table of them, and which blocks each one has.

use crate::cache::Use;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::{
    DIRECT, DIRENT_SIZE, DiskInode, INDIRECT, INODES_PER_BLOCK, InodeInfo, MAX_FILE_SIZE, entry,
    set_entry,
};
use crate::{Error, Fs, Inum, ROOT};
use abi::FileType;
use zerocopy::{FromBytes, IntoBytes};

/// Blocks that one step of cutting a file may change beside the bitmap: the inode's and the indirect
/// block, and one more of the bitmap.
const CUT_RESERVE: usize = 3;

impl DiskInode {
    /// What the inode is.
    pub(crate) fn file_type(&self) -> Result<FileType, Error> {
        FileType::from_number(self.kind).ok_or(Error::Corrupt("an inode of no known type"))
    }

    /// Blocks that the content fills.
    pub(crate) fn blocks(&self) -> usize {
        (self.size as usize).div_ceil(BLOCK_SIZE)
    }
}

impl<D: BlockDevice> Fs<D> {
    /// What an inode says of itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such inode or it is free.
    pub fn stat(&mut self, inum: Inum) -> Result<InodeInfo, Error> {
        let inode = self.inode(inum)?;
        Ok(InodeInfo {
            kind: inode.file_type()?,
            major: inode.major,
            minor: inode.minor,
            nlink: inode.nlink,
            size: inode.size,
        })
    }

    /// An inode in use. Its type, size and link count are possible ones.
    pub(crate) fn inode(&mut self, inum: Inum) -> Result<DiskInode, Error> {
        let inode = self.raw_inode(inum)?;
        if inode.kind == 0 {
            return Err(Error::NotFound);
        }
        let kind = inode.file_type()?;
        if inode.size > MAX_FILE_SIZE {
            return Err(Error::Corrupt("an inode larger than a file can be"));
        }
        if inode.nlink < 0 {
            return Err(Error::Corrupt("an inode with less than no links"));
        }
        if kind == FileType::Directory && !inode.size.is_multiple_of(DIRENT_SIZE) {
            return Err(Error::Corrupt("a directory that ends within an entry"));
        }
        Ok(inode)
    }

    /// An inode as it is on the disk, free or not.
    pub(crate) fn raw_inode(&mut self, inum: Inum) -> Result<DiskInode, Error> {
        let (block, at) = self.superblock.inode_place(inum)?;
        let bytes = self.cache.read(block, Use::Often)?;
        bytes
            .get(at..)
            .and_then(|bytes| DiskInode::read_from_prefix(bytes).ok())
            .map(|(inode, _)| inode)
            .ok_or(Error::NotFound)
    }

    /// Makes this the inode.
    pub(crate) fn store_inode(&mut self, inum: Inum, inode: &DiskInode) -> Result<(), Error> {
        let (block, at) = self.superblock.inode_place(inum)?;
        let bytes = self.cache.modify(block)?;
        bytes
            .get_mut(at..)
            .and_then(|bytes| inode.write_to_prefix(bytes).ok())
            .ok_or(Error::NotFound)
    }

    /// A free inode; storing something there takes it.
    pub(crate) fn find_free_inode(&mut self) -> Result<Inum, Error> {
        let end = self.superblock.ninodes;
        for inum in self.hints.inode..end {
            if self.raw_inode(inum)?.kind == 0 {
                self.hints.inode = inum + 1;
                return Ok(inum);
            }
        }
        self.hints.inode = end;
        Err(Error::NoInodes)
    }

    /// Makes the inode free. Its blocks must be free already.
    pub(crate) fn release_inode(&mut self, inum: Inum) -> Result<(), Error> {
        self.store_inode(inum, &DiskInode::default())?;
        self.hints.inode = self.hints.inode.min(inum);
        Ok(())
    }

    /// Counts the free inodes; reads the whole inode table.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn free_inodes(&mut self) -> Result<u32, Error> {
        let mut free = 0;
        for inum in ROOT..self.superblock.ninodes {
            free += u32::from(self.raw_inode(inum)?.kind == 0);
        }
        Ok(free)
    }

    /// Frees the inodes without a name that were open when the system stopped.
    pub(crate) fn free_orphans(&mut self) -> Result<(), Error> {
        for first in (0..self.superblock.ninodes).step_by(INODES_PER_BLOCK as usize) {
            let end = (first + INODES_PER_BLOCK).min(self.superblock.ninodes);
            for inum in first.max(ROOT)..end {
                let inode = self.raw_inode(inum)?;
                if inode.kind != 0 && inode.nlink == 0 && inum != ROOT {
                    self.free(inum)?;
                }
            }
        }
        Ok(())
    }

    /// The block with this part of the content, if there is one.
    pub(crate) fn block_of(
        &mut self,
        inode: &DiskInode,
        index: usize,
    ) -> Result<Option<u32>, Error> {
        let number = if index < DIRECT {
            inode.addrs.get(index).copied().unwrap_or(0)
        } else {
            match self.indirect(inode)? {
                None => 0,
                Some(block) => entry(self.cache.read(block, Use::Often)?, index - DIRECT),
            }
        };
        self.block_or_none(number)
    }

    /// The block with this part of the content, taken from the free ones if need be. Says too whether
    /// it was. The caller stores the inode.
    pub(crate) fn block_for_writing(
        &mut self,
        inode: &mut DiskInode,
        index: usize,
    ) -> Result<(u32, bool), Error> {
        if index >= DIRECT + INDIRECT {
            return Err(Error::FileTooLarge);
        }
        if let Some(block) = self.block_of(inode, index)? {
            return Ok((block, false));
        }
        let block = self.allocate_block()?;
        if let Some(direct) = inode.addrs.iter_mut().take(DIRECT).nth(index) {
            *direct = block;
            return Ok((block, true));
        }
        let indirect = match self.indirect(inode)? {
            Some(indirect) => indirect,
            None => match self.allocate_block() {
                Ok(indirect) => {
                    self.cache.modify_zeroed(indirect)?;
                    inode.addrs[DIRECT] = indirect;
                    indirect
                }
                Err(error) => {
                    // The file may keep what was written before: nothing must be left over.
                    self.release_block(block)?;
                    return Err(error);
                }
            },
        };
        set_entry(self.cache.modify(indirect)?, index - DIRECT, block);
        Ok((block, true))
    }

    /// Frees the content from its end on, as much of it as one transaction can. Says whether that
    /// was all. The caller stores the inode.
    ///
    /// Blocks behind the size are freed too: xv6 leaves some there when a write fails.
    pub(crate) fn cut(&mut self, inode: &mut DiskInode) -> Result<bool, Error> {
        if let Some(indirect) = self.indirect(inode)? {
            for index in (0..INDIRECT).rev() {
                let number = entry(self.cache.read(indirect, Use::Often)?, index);
                if let Some(block) = self.block_or_none(number)? {
                    if self.cache.room() < CUT_RESERVE {
                        return Ok(Self::cut_to(inode, DIRECT + index + 1));
                    }
                    self.release_block(block)?;
                    set_entry(self.cache.modify(indirect)?, index, 0);
                }
            }
            if self.cache.room() < CUT_RESERVE {
                return Ok(Self::cut_to(inode, DIRECT));
            }
            self.release_block(indirect)?;
            inode.addrs[DIRECT] = 0;
        }
        for index in (0..DIRECT).rev() {
            if let Some(block) = self.block_or_none(inode.addrs[index])? {
                if self.cache.room() < CUT_RESERVE {
                    return Ok(Self::cut_to(inode, index + 1));
                }
                self.release_block(block)?;
                inode.addrs[index] = 0;
            }
        }
        inode.size = 0;
        Ok(true)
    }

    /// So many blocks are left; there is more to cut.
    fn cut_to(inode: &mut DiskInode, blocks: usize) -> bool {
        inode.size = inode.size.min((blocks * BLOCK_SIZE) as u32);
        false
    }

    fn indirect(&self, inode: &DiskInode) -> Result<Option<u32>, Error> {
        self.block_or_none(inode.addrs[DIRECT])
    }

    fn block_or_none(&self, number: u32) -> Result<Option<u32>, Error> {
        match number {
            0 => Ok(None),
            number => self.superblock.data_block(number).map(Some),
        }
    }
}
