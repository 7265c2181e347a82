//! The disk below the file system.

/// Bytes in a block, the unit of everything the file system reads and writes.
pub const BLOCK_SIZE: usize = 1024;

/// The bytes of one block.
pub type Block = [u8; BLOCK_SIZE];

/// The disk refused or failed; it keeps the reason to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceError;

/// A disk of blocks of [`BLOCK_SIZE`] bytes.
///
/// The buffers that the file system passes live on the heap, each in an allocation of its own, so a
/// driver may let the hardware read or write them in place.
pub trait BlockDevice {
    /// Blocks on the disk.
    fn blocks(&self) -> u32;

    /// Fills `buffer` from a block.
    ///
    /// # Errors
    /// The block is beyond the end, or the disk failed.
    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError>;

    /// Writes a block. It may stay in a cache of the disk until [`BlockDevice::flush`]; a block is
    /// written as a whole or not at all.
    ///
    /// # Errors
    /// The block is beyond the end, or the disk failed.
    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError>;

    /// Returns when every write before it will survive a loss of power.
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
