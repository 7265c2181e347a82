//! The buffer cache, with the changes that are not in their home blocks yet.
//!
//! All buffers are allocated at mount. A buffer is pinned while the disk's home block is older than it:
//! it is *running*, changed since the last commit, or *logged*, committed and not written home, or both. An
//! operation can be undone: of a pinned buffer that it changes, another buffer takes a copy first; one
//! that was not pinned is dropped and read again.
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
/// Buffers that are never pinned, so that there is always one to read into.
pub(crate) const SPARE_BLOCKS: usize = 8;

#[derive(Default)]
struct State {
    /// Changed since the last commit.
    running: bool,
    /// Committed, and not at home yet.
    logged: bool,
    /// A copy of another buffer from before the current operation.
    copy: bool,
    /// Changed by the current operation.
    touched: bool,
    /// The current operation has freed the block: its contents need not be written.
    freed: bool,
    /// The clock algorithm's reference bit.
    used: bool,
}

impl State {
    fn is_pinned(&self) -> bool {
        self.running || self.logged || self.copy
    }
}

struct Buffer {
    block: u32,
    /// Next in the hash chain.
    next: u32,
    state: State,
    bytes: Box<Block>,
}

/// How a buffer was before the current operation changed it.
struct Undo {
    buffer: u32,
    /// The buffer with the bytes; none if they are those on the disk.
    copy: Option<u32>,
    was_running: bool,
}

/// The buffer cache of a device.
pub(crate) struct Cache<D> {
    pub(crate) device: D,
    buffers: Vec<Buffer>,
    /// Hash buckets, a power of two.
    heads: Vec<u32>,
    /// Running buffers, in order of first change.
    running: Vec<u32>,
    /// Of these, how many the operations before the current one changed.
    before: usize,
    /// The changes of the current operation, in order.
    undo: Vec<Undo>,
    /// Limit on running buffers: what the log takes.
    limit: usize,
    /// Pinned buffers.
    pinned: usize,
    /// Whether the current operation freed a running block.
    any_freed: bool,
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
    let mut bytes = with_capacity(BLOCK_SIZE)?;
    bytes.resize(BLOCK_SIZE, 0);
    // Length and capacity are equal, so this does not reallocate.
    Box::try_from(bytes).map_err(|_| Error::NoMemory)
}

fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    vector
        .try_reserve_exact(capacity)
        .map_err(|_| Error::NoMemory)?;
    Ok(vector)
}

impl<D: BlockDevice> Cache<D> {
    /// A cache of `blocks` buffers, of which a transaction may change `limit`.
    pub(crate) fn new(device: D, blocks: usize, limit: usize) -> Result<Self, Error> {
        let heads_count = blocks.checked_next_power_of_two().ok_or(Error::NoMemory)?;
        if heads_count > END as usize {
            return Err(Error::NoMemory);
        }
        let mut buffers = with_capacity(blocks)?;
        let mut heads = with_capacity(heads_count)?;
        let (running, undo) = (with_capacity(blocks)?, with_capacity(blocks)?);
        heads.resize(heads_count, END);
        for _ in 0..blocks {
            buffers.push(Buffer {
                block: NO_BLOCK,
                next: END,
                state: State::default(),
                bytes: new_block()?,
            });
        }
        Ok(Self {
            device,
            buffers,
            heads,
            running,
            before: 0,
            undo,
            limit,
            pinned: 0,
            any_freed: false,
            hand: 0,
        })
    }

    /// The block, with all changes.
    pub(crate) fn read(&mut self, block: u32, reuse: Reuse) -> Result<&Block, Error> {
        let index = self.load(block)?;
        let buffer = &mut self.buffers[index];
        buffer.state.used |= reuse == Reuse::Likely;
        Ok(&buffer.bytes)
    }

    /// Copies a block that is not pinned to another one, past the cache.
    pub(crate) fn copy_on_disk(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let index = self.load(from)?;
        self.device.write(to, &self.buffers[index].bytes)?;
        Ok(())
    }

    /// The block, for the current operation to change.
    pub(crate) fn modify(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = self.load(block)?;
        self.touch(index)?;
        Ok(&mut self.buffers[index].bytes)
    }

    /// As [`Cache::modify`], but of any contents instead of those on the disk: the caller writes all of it.
    pub(crate) fn overwrite(&mut self, block: u32) -> Result<&mut Block, Error> {
        let index = match self.find(block) {
            Some(index) => index,
            None => {
                let index = self.evict()?;
                self.insert(index, block);
                index
            }
        };
        if let Err(error) = self.touch(index) {
            // It may not hold the block's data.
            if !self.buffers[index].state.is_pinned() {
                self.remove(index);
            }
            return Err(error);
        }
        Ok(&mut self.buffers[index].bytes)
    }

    /// As [`Cache::overwrite`], with zeroes.
    pub(crate) fn modify_zeroed(&mut self, block: u32) -> Result<&mut Block, Error> {
        let bytes = self.overwrite(block)?;
        bytes.fill(0);
        Ok(bytes)
    }

    /// The current operation has freed a block: its contents need not be written.
    pub(crate) fn forget(&mut self, block: u32) {
        if let Some(index) = self.find(block)
            && self.buffers[index].state.running
        {
            self.buffers[index].state.freed = true;
            self.any_freed = true;
        }
    }

    /// Sets how many blocks may be changed until the next commit.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Blocks that may still be changed before the next commit.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.running.len())
    }

    /// Blocks changed since the last commit.
    pub(crate) fn changed(&self) -> impl ExactSizeIterator<Item = u32> {
        self.running
            .iter()
            .map(|&index| self.buffers[index as usize].block)
    }

    /// Whether a block's home is older than its buffer.
    pub(crate) fn any_pinned(&self) -> bool {
        self.pinned > 0
    }

    /// The current operation has succeeded: keeps its changes.
    pub(crate) fn accept(&mut self) {
        while let Some(Undo { buffer, copy, .. }) = self.undo.pop() {
            self.buffers[buffer as usize].state.touched = false;
            if let Some(copy) = copy {
                self.drop_copy(copy as usize);
            }
        }
        if core::mem::take(&mut self.any_freed) {
            self.drop_freed();
        }
        self.before = self.running.len();
    }

    /// Unpins the blocks that the current operation freed.
    fn drop_freed(&mut self) {
        let mut at = 0;
        while let Some(&index) = self.running.get(at) {
            let index = index as usize;
            let freed = core::mem::take(&mut self.buffers[index].state.freed);
            if freed {
                self.running.remove(at);
                self.unpin(index);
                self.remove(index);
            } else {
                at += 1;
            }
        }
    }

    /// The current operation has failed: reverts its changes.
    pub(crate) fn undo(&mut self) {
        while let Some(Undo {
            buffer,
            copy,
            was_running,
        }) = self.undo.pop()
        {
            let index = buffer as usize;
            let state = &mut self.buffers[index].state;
            (state.running, state.touched) = (was_running, false);
            match copy {
                Some(copy) => {
                    let copy = copy as usize;
                    if let Ok([to, from]) = self.buffers.get_disjoint_mut([index, copy]) {
                        core::mem::swap(&mut to.bytes, &mut from.bytes);
                    }
                    self.drop_copy(copy);
                }
                None => {
                    self.unpin(index);
                    self.remove(index);
                }
            }
        }
        self.running.truncate(self.before);
        if core::mem::take(&mut self.any_freed) {
            for &index in &self.running {
                self.buffers[index as usize].state.freed = false;
            }
        }
    }

    /// Writes copies of the running blocks to consecutive blocks from `start` on.
    pub(crate) fn write_log(&mut self, start: u32) -> Result<(), Error> {
        for (&index, block) in self.running.iter().zip(start..) {
            self.device
                .write(block, &self.buffers[index as usize].bytes)?;
        }
        Ok(())
    }

    /// The running blocks are committed: they become logged.
    pub(crate) fn set_logged(&mut self) {
        while let Some(index) = self.running.pop() {
            let state = &mut self.buffers[index as usize].state;
            (state.running, state.freed, state.logged) = (false, false, true);
        }
        (self.before, self.any_freed) = (0, false);
    }

    /// Writes the logged blocks to their home locations.
    pub(crate) fn write_home(&mut self) -> Result<(), Error> {
        for buffer in self.buffers.iter().filter(|buffer| buffer.state.logged) {
            self.device.write(buffer.block, &buffer.bytes)?;
        }
        Ok(())
    }

    /// The logged blocks are durable at home: unpins them.
    pub(crate) fn set_home(&mut self) {
        for index in 0..self.buffers.len() {
            if self.buffers[index].state.logged {
                self.unpin(index);
            }
        }
    }

    /// The current operation is about to change this buffer.
    fn touch(&mut self, index: usize) -> Result<(), Error> {
        let state = &mut self.buffers[index].state;
        state.freed = false;
        if state.touched {
            return Ok(());
        }
        let (was_running, was_pinned) = (state.running, state.is_pinned());
        let full = self.pinned >= self.buffers.len() - SPARE_BLOCKS;
        if full || !was_running && self.room() == 0 {
            return Err(Error::LogFull);
        }
        let copy = match was_pinned {
            true => Some(self.copy(index)? as u32),
            false => None,
        };
        let state = &mut self.buffers[index].state;
        (state.touched, state.running) = (true, true);
        self.pinned += usize::from(!was_pinned);
        if !was_running {
            self.running.push(index as u32);
        }
        self.undo.push(Undo {
            buffer: index as u32,
            copy,
            was_running,
        });
        Ok(())
    }

    /// Copies a pinned buffer to another one.
    fn copy(&mut self, index: usize) -> Result<usize, Error> {
        let copy = self.evict()?;
        if let Ok([from, to]) = self.buffers.get_disjoint_mut([index, copy]) {
            *to.bytes = *from.bytes;
            to.state.copy = true;
            self.pinned += 1;
        }
        Ok(copy)
    }

    fn drop_copy(&mut self, index: usize) {
        self.buffers[index].state.copy = false;
        self.pinned -= 1;
    }

    fn unpin(&mut self, index: usize) {
        let state = &mut self.buffers[index].state;
        (state.running, state.logged) = (false, false);
        self.pinned -= 1;
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
            let state = &mut self.buffers[index].state;
            if state.is_pinned() {
                continue;
            }
            if state.used {
                state.used = false;
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
        self.buffers[index].state.used = false;
    }
}
