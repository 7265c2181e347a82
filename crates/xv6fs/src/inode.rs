//! Inodes: the inode table, and the block map of each inode.

use crate::cache::Reuse;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::{
    DIRECT, DIRENT_SIZE, DiskInode, INDIRECT, INODES_PER_BLOCK, InodeInfo, MAX_FILE_SIZE,
    number_at, set_number,
};
use crate::{Error, Fs, Inum, ROOT};
use abi::FileType;
use zerocopy::{FromBytes, IntoBytes};

/// Log blocks that a step of truncation keeps in reserve: the inode's block, the indirect block,
/// one bitmap block.
const TRUNCATE_RESERVE: usize = 3;

impl DiskInode {
    pub(crate) fn file_type(&self) -> Result<FileType, Error> {
        FileType::from_number(self.kind).ok_or(Error::Corrupt("an inode with an unknown type"))
    }

    /// Data blocks up to the size.
    pub(crate) fn blocks(&self) -> usize {
        (self.size as usize).div_ceil(BLOCK_SIZE)
    }
}

impl<D: BlockDevice> Fs<D> {
    /// An inode's metadata.
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

    /// An inode in use, with its type, size and link count validated.
    pub(crate) fn inode(&mut self, inum: Inum) -> Result<DiskInode, Error> {
        let inode = self.raw_inode(inum)?;
        if inode.kind == 0 {
            return Err(Error::NotFound);
        }
        let kind = inode.file_type()?;
        if inode.size > MAX_FILE_SIZE {
            return Err(Error::Corrupt("an inode larger than the largest file"));
        }
        if inode.nlink < 0 {
            return Err(Error::Corrupt("an inode with a negative link count"));
        }
        if kind == FileType::Directory && !inode.size.is_multiple_of(DIRENT_SIZE) {
            return Err(Error::Corrupt(
                "a directory whose size is no multiple of an entry",
            ));
        }
        Ok(inode)
    }

    /// An inode from the disk, free or not, not validated.
    pub(crate) fn raw_inode(&mut self, inum: Inum) -> Result<DiskInode, Error> {
        let (block, at) = self.superblock.inode_position(inum)?;
        let bytes = self.cache.read(block, Reuse::Likely)?;
        bytes
            .get(at..)
            .and_then(|bytes| DiskInode::read_from_prefix(bytes).ok())
            .map(|(inode, _)| inode)
            .ok_or(Error::NotFound)
    }

    /// Writes an inode to the inode table.
    pub(crate) fn store_inode(&mut self, inum: Inum, inode: &DiskInode) -> Result<(), Error> {
        let (block, at) = self.superblock.inode_position(inum)?;
        let bytes = self.cache.modify(block)?;
        bytes
            .get_mut(at..)
            .and_then(|bytes| inode.write_to_prefix(bytes).ok())
            .ok_or(Error::NotFound)
    }

    /// Finds a free inode. Storing an inode with a type allocates it.
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

    /// Frees an inode whose blocks are already free.
    pub(crate) fn release_inode(&mut self, inum: Inum) -> Result<(), Error> {
        self.store_inode(inum, &DiskInode::default())?;
        self.hints.inode = self.hints.inode.min(inum);
        Ok(())
    }

    /// Counts the free inodes. Reads the whole inode table.
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

    /// Frees orphans: unlinked inodes that were open when the system stopped.
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

    /// The data block with this index in the file, if allocated.
    pub(crate) fn bmap(&mut self, inode: &DiskInode, index: usize) -> Result<Option<u32>, Error> {
        let number = if index < DIRECT {
            inode.addrs.get(index).copied().unwrap_or(0)
        } else {
            match self.indirect(inode)? {
                None => 0,
                Some(block) => number_at(self.cache.read(block, Reuse::Likely)?, index - DIRECT),
            }
        };
        self.data_block_or_none(number)
    }

    /// The data block with this index, allocated if missing; and whether it was. The caller stores
    /// the inode.
    pub(crate) fn block_for_write(
        &mut self,
        inode: &mut DiskInode,
        index: usize,
    ) -> Result<(u32, bool), Error> {
        if index >= DIRECT + INDIRECT {
            return Err(Error::FileTooLarge);
        }
        if let Some(block) = self.bmap(inode, index)? {
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
                    // The caller may commit what it wrote before, so do not leak the block.
                    self.release_block(block)?;
                    return Err(error);
                }
            },
        };
        set_number(self.cache.modify(indirect)?, index - DIRECT, block);
        Ok((block, true))
    }

    /// Frees blocks from the end of the file, as many as fit into one transaction. Returns whether
    /// that was all. The caller stores the inode.
    ///
    /// Blocks past the size are freed too: xv6 leaves some there when a write fails.
    pub(crate) fn truncate_step(&mut self, inode: &mut DiskInode) -> Result<bool, Error> {
        if let Some(indirect) = self.indirect(inode)? {
            for index in (0..INDIRECT).rev() {
                let number = number_at(self.cache.read(indirect, Reuse::Likely)?, index);
                if let Some(block) = self.data_block_or_none(number)? {
                    if self.cache.room() < TRUNCATE_RESERVE {
                        return Ok(Self::shrink_to(inode, DIRECT + index + 1));
                    }
                    self.release_block(block)?;
                    set_number(self.cache.modify(indirect)?, index, 0);
                }
            }
            if self.cache.room() < TRUNCATE_RESERVE {
                return Ok(Self::shrink_to(inode, DIRECT));
            }
            self.release_block(indirect)?;
            inode.addrs[DIRECT] = 0;
        }
        for index in (0..DIRECT).rev() {
            if let Some(block) = self.data_block_or_none(inode.addrs[index])? {
                if self.cache.room() < TRUNCATE_RESERVE {
                    return Ok(Self::shrink_to(inode, index + 1));
                }
                self.release_block(block)?;
                inode.addrs[index] = 0;
            }
        }
        inode.size = 0;
        Ok(true)
    }

    /// Records that `blocks` blocks are left to free.
    fn shrink_to(inode: &mut DiskInode, blocks: usize) -> bool {
        inode.size = inode.size.min((blocks * BLOCK_SIZE) as u32);
        false
    }

    fn indirect(&self, inode: &DiskInode) -> Result<Option<u32>, Error> {
        self.data_block_or_none(inode.addrs[DIRECT])
    }

    fn data_block_or_none(&self, number: u32) -> Result<Option<u32>, Error> {
        match number {
            0 => Ok(None),
            number => self.superblock.data_block(number).map(Some),
        }
    }
}
