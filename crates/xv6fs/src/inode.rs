//! Inodes: the inode table, and the block map of each inode.

use crate::cache::Reuse;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::{
    BlockPlace, DIRENT_SIZE, DiskInode, INDIRECT, INODES_PER_BLOCK, InodeInfo, MAX_LEVELS,
    number_at, set_number,
};
use crate::{Error, Fs, Inum, ROOT};
use abi::FileType;
use zerocopy::{FromBytes, IntoBytes};

/// Log blocks that a step of truncation keeps in reserve: the inode's block, an indirect block of each
/// level, one bitmap block.
const TRUNCATE_RESERVE: usize = 2 + MAX_LEVELS;

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
        if inode.size > self.superblock.max_file_size() {
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
        let Some(place) = self.superblock.locate(index) else {
            return Ok(None);
        };
        let number = inode.addrs.get(place.slot).copied().unwrap_or(0);
        let mut found = self.data_block_or_none(number)?;
        for below in (0..place.levels).rev() {
            let Some(indirect) = found else { break };
            let number = number_at(
                self.cache.read(indirect, Reuse::Likely)?,
                place.index(below),
            );
            found = self.data_block_or_none(number)?;
        }
        Ok(found)
    }

    /// The data block with this index, allocated if missing; and whether it was. The caller stores
    /// the inode.
    pub(crate) fn block_for_write(
        &mut self,
        inode: &mut DiskInode,
        index: usize,
    ) -> Result<(u32, bool), Error> {
        let place = self.superblock.locate(index).ok_or(Error::FileTooLarge)?;
        let slot = inode.addrs.get_mut(place.slot).ok_or(Error::FileTooLarge)?;
        let mut found = self.data_block_or_none(*slot)?;
        let mut parent = None;
        let mut below = place.levels;
        while let Some(block) = found {
            if below == 0 {
                return Ok((block, false));
            }
            below -= 1;
            let index = place.index(below);
            let number = number_at(self.cache.read(block, Reuse::Likely)?, index);
            found = self.data_block_or_none(number)?;
            parent = Some((block, index));
        }
        let (data, top) = self.allocate_chain(&place, below)?;
        match parent {
            None => *slot = top,
            Some((parent, index)) => set_number(self.cache.modify(parent)?, index, top),
        }
        Ok((data, true))
    }

    /// Allocates a data block and `levels` indirect blocks above it. Returns the data block and the top
    /// of the chain.
    fn allocate_chain(&mut self, place: &BlockPlace, levels: usize) -> Result<(u32, u32), Error> {
        let mut chain = [0; MAX_LEVELS + 1];
        for at in 0..=levels {
            match (self.allocate_block(), chain.get_mut(at)) {
                (Ok(block), Some(link)) => *link = block,
                (Ok(_), None) => return Err(Error::FileTooLarge),
                (Err(error), _) => {
                    // The caller may keep what it wrote before, so do not leak the blocks.
                    for &block in chain.iter().take(at) {
                        self.release_block(block)?;
                    }
                    return Err(error);
                }
            }
        }
        let [data, indirects @ ..] = chain;
        let mut top = data;
        for (below, &indirect) in indirects.iter().take(levels).enumerate() {
            let numbers = self.cache.modify_zeroed(indirect)?;
            set_number(numbers, place.index(below), top);
            top = indirect;
        }
        Ok((data, top))
    }

    /// Frees blocks from the end of the file, as many as fit into one transaction. Returns whether
    /// that was all. The caller stores the inode.
    ///
    /// Blocks past the size are freed too: xv6 leaves some there when a write fails.
    ///
    /// # Errors
    /// [`Error::LogFull`] when not all fit beside other operations.
    pub(crate) fn truncate_step(&mut self, inode: &mut DiskInode) -> Result<bool, Error> {
        for slot in (0..inode.addrs.len()).rev() {
            let Some(number) = inode.addrs.get_mut(slot) else {
                break;
            };
            let Some(block) = self.data_block_or_none(*number)? else {
                continue;
            };
            let levels = self.superblock.levels_at(slot);
            if let Some(left) = self.free_tree(block, levels)? {
                let blocks = self.superblock.first_block(slot) + left;
                inode.size = inode.size.min((blocks * BLOCK_SIZE) as u32);
                return Ok(false);
            }
            *number = 0;
        }
        inode.size = 0;
        Ok(true)
    }

    /// Frees a data block, or an indirect one with `levels` levels of them and what they lead to, from the
    /// end. Where the log has no room for more, returns how many data blocks are left.
    fn free_tree(&mut self, block: u32, levels: u32) -> Result<Option<usize>, Error> {
        let below = levels.checked_sub(1);
        for index in (0..if below.is_some() { INDIRECT } else { 0 }).rev() {
            let number = number_at(self.cache.read(block, Reuse::Likely)?, index);
            if let (Some(child), Some(below)) = (self.data_block_or_none(number)?, below)
                && let Some(left) = self.free_tree(child, below)?
            {
                self.clear_numbers(block, index + 1)?;
                return Ok(Some(index * INDIRECT.pow(below) + left));
            }
        }
        if self.cache.room() >= TRUNCATE_RESERVE {
            self.release_block(block)?;
            return Ok(None);
        }
        if !self.alone {
            return Err(Error::LogFull);
        }
        if below.is_some() {
            self.clear_numbers(block, 0)?;
        }
        Ok(Some(usize::from(below.is_none())))
    }

    /// Clears the numbers of an indirect block from one on.
    fn clear_numbers(&mut self, indirect: u32, from: usize) -> Result<(), Error> {
        let numbers = self.cache.modify(indirect)?;
        (from..INDIRECT).for_each(|index| set_number(numbers, index, 0));
        Ok(())
    }

    fn data_block_or_none(&self, number: u32) -> Result<Option<u32>, Error> {
        match number {
            0 => Ok(None),
            number => self.superblock.data_block(number).map(Some),
        }
    }
}
