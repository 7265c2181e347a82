//! Reading and writing an inode's data.

use crate::cache::Reuse;
use crate::device::{BLOCK_SIZE, BlockDevice};
use crate::layout::DiskInode;
use crate::{Error, Fs, Inum};
use abi::FileType;

impl<D: BlockDevice> Fs<D> {
    /// Reads from `offset` on; 0 bytes at or past the end. A directory reads as [`abi::Dirent`]s, a
    /// device as empty.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the inode is free; [`Error::Corrupt`]; [`Error::Device`].
    pub fn read(&mut self, inum: Inum, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let inode = self.inode(inum)?;
        self.read_data(&inode, offset, buffer)
    }

    /// [`Fs::read`] of an inode that is already loaded.
    pub(crate) fn read_data(
        &mut self,
        inode: &DiskInode,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        let left = u64::from(inode.size).saturating_sub(offset);
        let wanted = buffer.len().min(left as usize);
        let reuse = match inode.file_type()? {
            FileType::Directory => Reuse::Likely,
            _ => Reuse::Unlikely,
        };
        let mut done = 0;
        while done < wanted {
            // Fits: it is less than the 32-bit size.
            let at = offset as usize + done;
            let block = self
                .bmap(inode, at / BLOCK_SIZE)?
                .ok_or(Error::Corrupt("a hole in a file"))?;
            let bytes = self.cache.read(block, reuse)?;
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

    /// Writes at most [`Fs::write_limit`] bytes of `data` at `offset`, in one transaction, and
    /// returns how many: fewer if the disk is full or the file reaches its maximal size.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `offset` is past the end or the inode is a device;
    /// [`Error::IsDirectory`]; [`Error::FileTooLarge`] and [`Error::NoSpace`] when not one byte
    /// fits.
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
            let largest = u64::from(fs.superblock.max_file_size());
            let left = largest.saturating_sub(offset);
            if left == 0 && !data.is_empty() {
                return Err(Error::FileTooLarge);
            }
            let count = data.len().min(limit).min(left as usize);
            let before = inode;
            let data = data.get(..count).unwrap_or(data);
            let written = fs.write_data(&mut inode, offset as usize, data)?;
            if inode != before {
                fs.store_inode(inum, &inode)?;
            }
            Ok(written)
        })
    }

    /// Most bytes that one [`Fs::write`] writes: what fits into one transaction, whatever the
    /// alignment and wherever the blocks are on the disk.
    pub fn write_limit(&self) -> usize {
        let capacity = self.superblock.log_capacity() as usize;
        let bitmap = self.superblock.bitmap_blocks() as usize;
        // Less than an indirect block leads to: so in two of them at the most, below a double one.
        let indirect = match self.superblock.has_large_files() {
            true => 3,
            false => 1,
        };
        // Each data block and indirect block may have its bit in another bitmap block. One block more is
        // the inode's.
        let fits = |blocks: usize| {
            let allocated = blocks + indirect;
            allocated + bitmap.min(allocated) < capacity
        };
        let blocks = (2..capacity).take_while(|&blocks| fits(blocks)).last();
        // One less: the first and the last block may both be partial.
        (blocks.unwrap_or(2) - 1) * BLOCK_SIZE
    }

    /// Writes at `offset`, which is not past the end, and returns how much. The size grows as
    /// needed. The caller stores the inode.
    ///
    /// # Errors
    /// [`Error::NoSpace`] or [`Error::FileTooLarge`] when not one byte fits.
    pub(crate) fn write_data(
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
            let (block, new) = match self.block_for_write(inode, index) {
                Err(Error::NoSpace | Error::FileTooLarge) if done > 0 => break,
                result => result?,
            };
            let count = (BLOCK_SIZE - at % BLOCK_SIZE).min(data.len() - done);
            // Stale data of a newly allocated block must not show.
            let bytes = if count == BLOCK_SIZE {
                self.cache.overwrite(block)?
            } else if new || index >= old_blocks {
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
