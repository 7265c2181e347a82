//! The buffer cache, and the changes of the transaction under way.
//!
//! All buffers are allocated at mount. A transaction pins the buffers that it changes until it
//! commits or aborts, so unpinned buffers and home blocks always hold the state between two
//! transactions.
//!
//! Buffer indices come only from this file and the vectors never change length, so indexing cannot
//! fail.

use crate::Error;
use crate::device::{BLOCK_SIZE, Block, BlockDevice};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Ends a hash chain.
const END: u32 = u32::MAX;
/// The block number of an empty buffer. Block 0 is never cached.
const NO_BLOCK: u32 = 0;

struct Buffer {
    block: u32,
    /// Next in the hash chain.
    next: u32,
    /// Changed by the current transaction.
    pinned: bool,
    /// The clock algorithm's reference bit.
    used: bool,
    bytes: Box<Block>,
}

/// The buffer cache of a device.
pub(crate) struct Cache<D> {
    pub(crate) device: D,
    buffers: Vec<Buffer>,
    /// Hash buckets, a power of two.
    heads: Vec<u32>,
    /// Pinned buffers, in order of first change.
    pinned: Vec<u32>,
    /// Limit on pinned buffers.
    limit: usize,
    /// The clock hand.
    hand: usize,
}

/// Whether a block is likely to be read again soon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Metadata: inodes, bitmap, directories, indirect blocks.
    Likely,
    /// File data, which the kernel's page cache keeps.
    Unlikely,
}

/// Allocates a zeroed block.
pub(crate) fn new_block() -> Result<Box<Block>, Error> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(BLOCK_SIZE)
        .map_err(|_| Error::NoMemory)?;
    bytes.resize(BLOCK_SIZE, 0);
    // Length and capacity are equal, so this does not reallocate.
    Box::try_from(bytes).map_err(|_| Error::NoMemory)
}

impl<D: BlockDevice> Cache<D> {
    /// A cache of `blocks` buffers, of which one transaction may change `limit`.
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

    /// The block, with the current transaction's changes.
    pub(crate) fn read(&mut self, block: u32, reuse: Reuse) -> Result<&Block, Error> {
        let index = self.load(block)?;
        let buffer = &mut self.buffers[index];
        buffer.used |= reuse == Reuse::Likely;
        Ok(&buffer.bytes)
    }

    /// The block, pinned for the current transaction to change.
    pub(crate) fn modify(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = self.load(block)?;
        self.pin(index)?;
        Ok(&mut self.buffers[index].bytes)
    }

    /// As [`Cache::modify`], but zeroed instead of read from the disk.
    pub(crate) fn modify_zeroed(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = match self.find(block) {
            Some(index) => index,
            None => {
                let index = self.evict()?;
                self.insert(index, block);
                index
            }
        };
        if let Err(error) = self.pin(index) {
            // It does not hold the block's data.
            if !self.buffers[index].pinned {
                self.remove(index);
            }
            return Err(error);
        }
        let bytes = &mut self.buffers[index].bytes;
        bytes.fill(0);
        Ok(bytes)
    }

    /// Blocks that the current transaction may still change.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.pinned.len()
    }

    /// Blocks that the current transaction has changed.
    pub(crate) fn changed(&self) -> impl ExactSizeIterator<Item = u32> {
        self.pinned
            .iter()
            .map(|&index| self.buffers[index as usize].block)
    }

    /// Writes the changed blocks to their home locations.
    pub(crate) fn write_home(&mut self) -> Result<(), Error> {
        for &index in &self.pinned {
            let buffer = &self.buffers[index as usize];
            self.device.write(buffer.block, &buffer.bytes)?;
        }
        Ok(())
    }

    /// Writes copies of the changed blocks to consecutive blocks from `start` on.
    pub(crate) fn write_log(&mut self, start: u32) -> Result<(), Error> {
        for (&index, block) in self.pinned.iter().zip(start..) {
            self.device
                .write(block, &self.buffers[index as usize].bytes)?;
        }
        Ok(())
    }

    /// Ends the transaction and keeps its changes.
    pub(crate) fn unpin_all(&mut self) {
        while let Some(index) = self.pinned.pop() {
            self.buffers[index as usize].pinned = false;
        }
    }

    /// Ends the transaction and drops its changes.
    pub(crate) fn discard(&mut self) {
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
        let index = self.evict()?;
        self.device.read(block, &mut self.buffers[index].bytes)?;
        self.insert(index, block);
        Ok(index)
    }

    /// Empties an unpinned buffer, chosen by the clock algorithm.
    fn evict(&mut self) -> Result<usize, Error> {
        // The first round may only clear reference bits; the second then finds a buffer.
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

    /// Takes a buffer off its hash chain and marks it empty.
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
