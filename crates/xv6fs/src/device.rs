//! The block device below the file system.

/// Bytes in a block, the unit of all transfers.
pub const BLOCK_SIZE: usize = 1024;

/// The bytes of one block.
pub type Block = [u8; BLOCK_SIZE];

/// An I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceError;

/// A disk of blocks of [`BLOCK_SIZE`] bytes.
///
/// Each buffer that the file system passes is a heap allocation of its own, so a driver may use DMA
/// directly to it.
pub trait BlockDevice {
    /// The disk's size in blocks.
    fn blocks(&self) -> u32;

    /// Fills `buffer` from a block.
    ///
    /// # Errors
    /// The block is beyond the end, or the disk failed.
    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError>;

    /// Writes a block. Until [`BlockDevice::flush`] it may stay in the disk's write cache. Writing
    /// a block is atomic.
    ///
    /// # Errors
    /// The block is beyond the end, or the disk failed.
    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError>;

    /// Returns once all earlier writes are durable.
    ///
    /// # Errors
    /// The disk failed; any of the writes since the last flush may be lost.
    fn flush(&mut self) -> Result<(), DeviceError>;
}

impl<D: BlockDevice + ?Sized> BlockDevice for &mut D {
    fn blocks(&self) -> u32 {
        (**self).blocks()
    }
    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError> {
        (**self).read(block, buffer)
    }
    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError> {
        (**self).write(block, buffer)
    }
    fn flush(&mut self) -> Result<(), DeviceError> {
        (**self).flush()
    }
}
