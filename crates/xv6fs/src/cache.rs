//! Blocks in memory, and the changes that a transaction has made so far.
//!
//! All buffers are allocated when the cache is made. A buffer that a transaction changed is pinned:
//! it stays until the transaction is on the disk, or is forgotten with it, so that what is on
//! the disk and what is in unpinned buffers is always the state between two transactions.
//!
//! Indices of buffers come only from this file, and the vectors never change their length, so
//! indexing cannot fail.

use crate::Error;
use crate::device::{BLOCK_SIZE, Block, BlockDevice};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Ends a chain of buffers.
const END: u32 = u32::MAX;
/// In a buffer that holds nothing; there is never content in block 0.
const NO_BLOCK: u32 = 0;

struct Buffer {
    block: u32,
    /// The next buffer with the same hash.
    next: u32,
    /// Changed by the transaction under way.
    pinned: bool,
    /// Used since the clock hand came by.
    used: bool,
    bytes: Box<Block>,
}

/// Blocks of a device in memory.
pub(crate) struct Cache<D> {
    pub(crate) device: D,
    buffers: Vec<Buffer>,
    /// First buffer of each hash; a power of two of them.
    heads: Vec<u32>,
    /// Pinned buffers, in the order of their first change.
    pinned: Vec<u32>,
    /// Most pinned buffers.
    limit: usize,
    /// Where the search for a buffer to reuse goes on.
    hand: usize,
}

/// How likely a block is wanted again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Inodes, bitmap, directories, indirect blocks.
    Often,
    /// Content of files, which the kernel keeps in a cache of its own.
    Once,
}

/// A zeroed block on the heap.
pub(crate) fn new_block() -> Result<Box<Block>, Error> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(BLOCK_SIZE)
        .map_err(|_| Error::NoMemory)?;
    bytes.resize(BLOCK_SIZE, 0);
    // Exactly as long as reserved, so the conversion keeps the allocation.
    Box::try_from(bytes).map_err(|_| Error::NoMemory)
}

impl<D: BlockDevice> Cache<D> {
    /// A cache of so many blocks, of which one transaction may change `limit`.
    pub(crate) fn new(device: D, blocks: usize, limit: usize) -> Result<Self, Error> {
        let heads_count = blocks.checked_next_power_of_two().ok_or(Error::NoMemory)?;
        if heads_count > END as usize {
            return Err(Error::NoMemory);
        }
        let (mut buffers, mut heads, mut pinned) = (Vec::new(), Vec::new(), Vec::new());
        buffers
            .try_reserve_exact(blocks)
            .map_err(|_| Error::NoMemory)?;
        heads
            .try_reserve_exact(heads_count)
            .map_err(|_| Error::NoMemory)?;
        pinned
            .try_reserve_exact(limit)
            .map_err(|_| Error::NoMemory)?;
        heads.resize(heads_count, END);
        for _ in 0..blocks {
            buffers.push(Buffer {
                block: NO_BLOCK,
                next: END,
                pinned: false,
                used: false,
                bytes: new_block()?,
            });
        }
        Ok(Self {
            device,
            buffers,
            heads,
            pinned,
            limit,
            hand: 0,
        })
    }

    /// The block as the transaction under way has left it.
    pub(crate) fn read(&mut self, block: u32, usage: Use) -> Result<&Block, Error> {
        let index = self.load(block)?;
        let buffer = &mut self.buffers[index];
        buffer.used |= usage == Use::Often;
        Ok(&buffer.bytes)
    }

    /// The block, to be changed by the transaction under way.
    pub(crate) fn modify(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = self.load(block)?;
        self.pin(index)?;
        Ok(&mut self.buffers[index].bytes)
    }

    /// The block, all zero, whatever the disk has there, to be filled by the transaction under way.
    pub(crate) fn modify_zeroed(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = match self.find(block) {
            Some(index) => index,
            None => {
                let index = self.reuse()?;
                self.insert(index, block);
                index
            }
        };
        if let Err(error) = self.pin(index) {
            // Not filled, so it must not be found.
            if !self.buffers[index].pinned {
                self.remove(index);
            }
            return Err(error);
        }
        let bytes = &mut self.buffers[index].bytes;
        bytes.fill(0);
        Ok(bytes)
    }

    /// Blocks that the transaction under way may still change.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.pinned.len()
    }

    /// Blocks that the transaction under way has changed.
    pub(crate) fn changed(&self) -> impl ExactSizeIterator<Item = u32> {
        self.pinned
            .iter()
            .map(|&index| self.buffers[index as usize].block)
    }

    /// Writes the changed blocks to where they belong.
    pub(crate) fn write_home(&mut self) -> Result<(), Error> {
        for &index in &self.pinned {
            let buffer = &self.buffers[index as usize];
            self.device.write(buffer.block, &buffer.bytes)?;
        }
        Ok(())
    }

    /// Writes the changed blocks one after the other from block `start` on.
    pub(crate) fn write_copies(&mut self, start: u32) -> Result<(), Error> {
        for (&index, block) in self.pinned.iter().zip(start..) {
            self.device
                .write(block, &self.buffers[index as usize].bytes)?;
        }
        Ok(())
    }

    /// Ends the transaction: what it changed is the state from now on.
    pub(crate) fn keep_changes(&mut self) {
        while let Some(index) = self.pinned.pop() {
            self.buffers[index as usize].pinned = false;
        }
    }

    /// Ends the transaction: what it changed has never been.
    pub(crate) fn drop_changes(&mut self) {
        while let Some(index) = self.pinned.pop() {
            self.buffers[index as usize].pinned = false;
            self.remove(index as usize);
        }
    }

    fn pin(&mut self, index: usize) -> Result<(), Error> {
        if self.buffers[index].pinned {
            return Ok(());
        }
        if self.room() == 0 {
            return Err(Error::LogFull);
        }
        self.buffers[index].pinned = true;
        self.pinned.push(index as u32);
        Ok(())
    }

    fn load(&mut self, block: u32) -> Result<usize, Error> {
        if let Some(index) = self.find(block) {
            return Ok(index);
        }
        let index = self.reuse()?;
        self.device.read(block, &mut self.buffers[index].bytes)?;
        self.insert(index, block);
        Ok(index)
    }

    /// Takes a buffer that is not pinned, by the clock, and empties it.
    fn reuse(&mut self) -> Result<usize, Error> {
        // The first round may only take marks away; the second then finds a buffer.
        for _ in 0..2 * self.buffers.len() {
            let index = self.hand;
            self.hand = (index + 1) % self.buffers.len();
            let buffer = &mut self.buffers[index];
            if buffer.pinned {
                continue;
            }
            if buffer.used {
                buffer.used = false;
                continue;
            }
            self.remove(index);
            return Ok(index);
        }
        Err(Error::LogFull)
    }

    fn head(&self, block: u32) -> usize {
        block as usize & (self.heads.len() - 1)
    }

    fn find(&self, block: u32) -> Option<usize> {
        let mut at = self.heads[self.head(block)];
        while at != END {
            let buffer = &self.buffers[at as usize];
            if buffer.block == block {
                return Some(at as usize);
            }
            at = buffer.next;
        }
        None
    }

    fn insert(&mut self, index: usize, block: u32) {
        let head = self.head(block);
        self.buffers[index].block = block;
        self.buffers[index].next = self.heads[head];
        self.heads[head] = index as u32;
    }

    /// Empties a buffer.
    fn remove(&mut self, index: usize) {
        let block = self.buffers[index].block;
        if block == NO_BLOCK {
            return;
        }
        let (head, next) = (self.head(block), self.buffers[index].next);
        if self.heads[head] == index as u32 {
            self.heads[head] = next;
        } else {
            let mut at = self.heads[head];
            while at != END {
                let buffer = &mut self.buffers[at as usize];
                at = buffer.next;
                if at == index as u32 {
                    buffer.next = next;
                    break;
                }
            }
        }
        self.buffers[index].block = NO_BLOCK;
        self.buffers[index].used = false;
    }
}
