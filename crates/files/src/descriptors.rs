//! The file descriptor table of a process.

use abi::{Errno, PAGE_SIZE};
use fallible::{AllocError, KArc, KBox, KVec};

/// An open file.
pub trait Open {
    /// Bytes of memory that it takes; constant.
    fn bytes(&self) -> usize;
}

/// Descriptors in a chunk, one for each bit of `used`.
const CHUNK: usize = u32::BITS as usize;

struct Chunk<F> {
    files: [Option<KArc<F>>; CHUNK],
    used: u32,
}

/// A file descriptor table. It grows in chunks; only memory limits the number of files.
pub struct Descriptors<F> {
    chunks: KVec<KBox<Chunk<F>>>,
    /// All chunks before this one are full.
    first_free: usize,
    /// Sum of [`Open::bytes`] over all descriptors.
    bytes: usize,
}

impl<F: Open> Descriptors<F> {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub const fn new() -> Descriptors<F> {
        Descriptors {
            chunks: KVec::new(),
            first_free: 0,
            bytes: 0,
        }
    }

    /// Pages of the table and its files, approximately: a file counts once for each descriptor.
    pub fn pages(&self) -> usize {
        (self.bytes + self.chunks.len() * size_of::<Chunk<F>>()) / PAGE_SIZE
    }

    /// The file of a descriptor.
    ///
    /// # Errors
    /// `BadFile` if the descriptor is not open.
    pub fn get(&self, descriptor: i32) -> Result<KArc<F>, Errno> {
        let number = usize::try_from(descriptor).map_err(|_| Errno::BadFile)?;
        let chunk = self.chunks.get(number / CHUNK).ok_or(Errno::BadFile)?;
        chunk
            .files
            .get(number % CHUNK)
            .cloned()
            .flatten()
            .ok_or(Errno::BadFile)
    }

    /// Adds a file; returns its descriptor, the lowest free one.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn add(&mut self, file: KArc<F>) -> Result<i32, Errno> {
        let full = |chunk: &KBox<Chunk<F>>| chunk.used == u32::MAX;
        let rest = self.chunks.iter().skip(self.first_free);
        self.first_free += rest.take_while(|chunk| full(chunk)).count();
        if self.first_free == self.chunks.len() {
            let files = [const { None }; CHUNK];
            self.chunks
                .try_push(KBox::try_new_with(|| Chunk { files, used: 0 })?)?;
        }
        let number = self.first_free;
        let chunk = self.chunks.get_mut(number).ok_or(Errno::NoMemory)?;
        let bit = (!chunk.used).trailing_zeros() as usize;
        let slot = chunk.files.get_mut(bit).ok_or(Errno::NoMemory)?;
        self.bytes += file.bytes();
        *slot = Some(file);
        chunk.used |= 1 << bit;
        i32::try_from(number * CHUNK + bit).map_err(|_| Errno::NoMemory)
    }

    /// Closes a descriptor and returns the file, for the caller to drop without the table's lock: that may wait
    /// for the disk.
    ///
    /// # Errors
    /// `BadFile` if the descriptor is not open.
    pub fn remove(&mut self, descriptor: i32) -> Result<KArc<F>, Errno> {
        let number = usize::try_from(descriptor).map_err(|_| Errno::BadFile)?;
        let chunk = self.chunks.get_mut(number / CHUNK).ok_or(Errno::BadFile)?;
        let slot = chunk.files.get_mut(number % CHUNK).ok_or(Errno::BadFile)?;
        let file = slot.take().ok_or(Errno::BadFile)?;
        chunk.used &= !(1 << (number % CHUNK));
        self.bytes -= file.bytes();
        self.first_free = self.first_free.min(number / CHUNK);
        while self.chunks.last().is_some_and(|chunk| chunk.used == 0) {
            self.chunks.pop();
        }
        self.first_free = self.first_free.min(self.chunks.len());
        Ok(file)
    }

    /// A copy with the same open files, for `fork`.
    pub fn try_clone(&self) -> Result<Descriptors<F>, AllocError> {
        let mut chunks = KVec::new();
        chunks.try_reserve_exact(self.chunks.len())?;
        for chunk in self.chunks.iter() {
            chunks.try_push(KBox::try_new_with(|| Chunk {
                files: chunk.files.clone(),
                used: chunk.used,
            })?)?;
        }
        Ok(Descriptors {
            chunks,
            first_free: self.first_free,
            bytes: self.bytes,
        })
    }

    /// Takes the table, leaving an empty one.
    pub fn take(&mut self) -> Descriptors<F> {
        core::mem::replace(self, Descriptors::new())
    }
}
