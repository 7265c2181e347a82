//! Content of inodes.

use crate::cache::Use;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::{DiskInode, MAX_FILE_SIZE};
use crate::{Error, Fs, Inum};
use abi::FileType;

/// Blocks that a write changes beside those of the content and the bitmap: the inode's and the
/// indirect block.
const WRITE_RESERVE: usize = 2;

impl<D: BlockDevice> Fs<D> {
    /// Reads content from `offset` on; 0 bytes at its end and beyond. Directories can be read, as
    /// [`abi::Dirent`]s; a device has no content.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the inode is free; [`Error::Corrupt`]; [`Error::Device`].
    pub fn read(&mut self, inum: Inum, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let inode = self.inode(inum)?;
        self.read_content(&inode, offset, buffer)
    }

    /// [`Fs::read`] of an inode at hand.
    pub(crate) fn read_content(
        &mut self,
        inode: &DiskInode,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        let left = u64::from(inode.size).saturating_sub(offset);
        let wanted = buffer.len().min(left as usize);
        let usage = match inode.file_type()? {
            FileType::Directory => Use::Often,
            _ => Use::Once,
        };
        let mut done = 0;
        while done < wanted {
            // Less than the size, which has 32 bits.
            let at = offset as usize + done;
            let block = self
                .block_of(inode, at / BLOCK_SIZE)?
                .ok_or(Error::Corrupt("a gap in a file"))?;
            let bytes = self.cache.read(block, usage)?;
            let count = (BLOCK_SIZE - at % BLOCK_SIZE).min(wanted - done);
            let (Some(source), Some(target)) = (
                bytes.get(at % BLOCK_SIZE..at % BLOCK_SIZE + count),
                buffer.get_mut(done..done + count),
            ) else {
                break;
            };
            target.copy_from_slice(source);
            done += count;
        }
        Ok(done)
    }

    /// Writes content of a file from `offset` on, at most [`Fs::write_limit`] bytes of `data`, and says
    /// how many; fewer if the disk is full or the file as long as can be. One transaction.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `offset` is behind the end or the inode is a device's;
    /// [`Error::IsDirectory`]; [`Error::FileTooLarge`] and [`Error::NoSpace`] when not one byte fits.
    pub fn write(&mut self, inum: Inum, offset: u64, data: &[u8]) -> Result<usize, Error> {
        let limit = self.write_limit();
        self.transaction(|fs| {
            let mut inode = fs.inode(inum)?;
            match inode.file_type()? {
                FileType::Directory => return Err(Error::IsDirectory),
                FileType::Device => return Err(Error::Invalid),
                FileType::File => {}
            }
            if offset > u64::from(inode.size) {
                return Err(Error::Invalid);
            }
            let left = u64::from(MAX_FILE_SIZE).saturating_sub(offset);
            if left == 0 && !data.is_empty() {
                return Err(Error::FileTooLarge);
            }
            let count = data.len().min(limit).min(left as usize);
            let before = inode;
            let data = data.get(..count).unwrap_or(data);
            let written = fs.write_content(&mut inode, offset as usize, data)?;
            if inode != before {
                fs.store_inode(inum, &inode)?;
            }
            Ok(written)
        })
    }

    /// Most bytes that one [`Fs::write`] writes: what surely fits into one transaction, however the
    /// bytes lie in blocks and however the blocks lie on the disk.
    pub fn write_limit(&self) -> usize {
        let capacity = self.superblock.log_capacity() as usize;
        let bitmap = self.superblock.bitmap_blocks() as usize;
        // Each block of content, and the indirect block, may be in another part of the bitmap.
        let fits = |blocks: usize| blocks + WRITE_RESERVE + bitmap.min(blocks + 1) <= capacity;
        let blocks = (2..capacity).take_while(|&blocks| fits(blocks)).last();
        // One block less, because the first and the last may both be touched in part.
        (blocks.unwrap_or(2) - 1) * BLOCK_SIZE
    }

    /// Writes content from `offset` on, which is not behind the end, and says how much; the size
    /// grows as needed. The caller stores the inode.
    ///
    /// # Errors
    /// [`Error::NoSpace`] or [`Error::FileTooLarge`] when not one byte fits.
    pub(crate) fn write_content(
        &mut self,
        inode: &mut DiskInode,
        offset: usize,
        data: &[u8],
    ) -> Result<usize, Error> {
        let old_blocks = inode.blocks();
        let mut done = 0;
        while done < data.len() {
            let at = offset + done;
            let index = at / BLOCK_SIZE;
            let (block, taken) = match self.block_for_writing(inode, index) {
                Err(Error::NoSpace | Error::FileTooLarge) if done > 0 => break,
                result => result?,
            };
            let count = (BLOCK_SIZE - at % BLOCK_SIZE).min(data.len() - done);
            // What a block held before it was this file's must not show.
            let bytes = if taken || index >= old_blocks || count == BLOCK_SIZE {
                self.cache.modify_zeroed(block)?
            } else {
                self.cache.modify(block)?
            };
            let (Some(target), Some(source)) = (
                bytes.get_mut(at % BLOCK_SIZE..at % BLOCK_SIZE + count),
                data.get(done..done + count),
            ) else {
                break;
            };
            target.copy_from_slice(source);
            done += count;
            inode.size = inode.size.max((offset + done) as u32);
        }
        Ok(done)
    }
}
