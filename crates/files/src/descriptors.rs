//! A process's open files by descriptor.

use abi::{Errno, PAGE_SIZE};
use fallible::{AllocError, KArc, KBox, KVec};

/// What descriptors stand for.
pub trait Open {
    /// Bytes of memory that it takes. It does not change.
    fn bytes(&self) -> usize;
}

/// Descriptors in a piece, one for each bit of a word.
const PIECE: usize = u32::BITS as usize;

struct Piece<F> {
    files: [Option<KArc<F>>; PIECE],
    used: u32,
}

/// Open files by descriptor. The table grows in pieces, so that the number of files is limited by memory
/// alone.
pub struct Descriptors<F> {
    pieces: KVec<KBox<Piece<F>>>,
    /// No piece before this one has a free place.
    first_free: usize,
    /// Bytes that the files take.
    bytes: usize,
}

impl<F: Open> Descriptors<F> {
    /// No files open.
    #[expect(clippy::new_without_default, reason = "there is one way to make it")]
    pub const fn new() -> Descriptors<F> {
        Descriptors {
            pieces: KVec::new(),
            first_free: 0,
            bytes: 0,
        }
    }

    /// Pages that the table and its files take, roughly: it counts a file once for each descriptor.
    pub fn pages(&self) -> usize {
        (self.bytes + self.pieces.len() * size_of::<Piece<F>>()) / PAGE_SIZE
    }

    /// The file behind a descriptor.
    pub fn get(&self, descriptor: i32) -> Result<KArc<F>, Errno> {
        let number = usize::try_from(descriptor).map_err(|_| Errno::BadFile)?;
        let piece = self.pieces.get(number / PIECE).ok_or(Errno::BadFile)?;
        piece
            .files
            .get(number % PIECE)
            .cloned()
            .flatten()
            .ok_or(Errno::BadFile)
    }

    /// Gives a file the lowest free descriptor.
    pub fn add(&mut self, file: KArc<F>) -> Result<i32, Errno> {
        let full = |piece: &KBox<Piece<F>>| piece.used == u32::MAX;
        let rest = self.pieces.iter().skip(self.first_free);
        self.first_free += rest.take_while(|piece| full(piece)).count();
        if self.first_free == self.pieces.len() {
            let files = [const { None }; PIECE];
            self.pieces
                .try_push(KBox::try_new_with(|| Piece { files, used: 0 })?)?;
        }
        let number = self.first_free;
        let piece = self.pieces.get_mut(number).ok_or(Errno::NoMemory)?;
        let bit = (!piece.used).trailing_zeros() as usize;
        let place = piece.files.get_mut(bit).ok_or(Errno::NoMemory)?;
        self.bytes += file.bytes();
        *place = Some(file);
        piece.used |= 1 << bit;
        i32::try_from(number * PIECE + bit).map_err(|_| Errno::NoMemory)
    }

    /// Takes the file of a descriptor out; the caller drops it, which may wait for the disk.
    pub fn remove(&mut self, descriptor: i32) -> Result<KArc<F>, Errno> {
        let number = usize::try_from(descriptor).map_err(|_| Errno::BadFile)?;
        let piece = self.pieces.get_mut(number / PIECE).ok_or(Errno::BadFile)?;
        let place = piece.files.get_mut(number % PIECE).ok_or(Errno::BadFile)?;
        let file = place.take().ok_or(Errno::BadFile)?;
        piece.used &= !(1 << (number % PIECE));
        self.bytes -= file.bytes();
        self.first_free = self.first_free.min(number / PIECE);
        while self.pieces.last().is_some_and(|piece| piece.used == 0) {
            self.pieces.pop();
        }
        self.first_free = self.first_free.min(self.pieces.len());
        Ok(file)
    }

    /// The same files under the same descriptors, for a new process.
    pub fn try_clone(&self) -> Result<Descriptors<F>, AllocError> {
        let mut pieces = KVec::new();
        pieces.try_reserve_exact(self.pieces.len())?;
        for piece in self.pieces.iter() {
            pieces.try_push(KBox::try_new_with(|| Piece {
                files: piece.files.clone(),
                used: piece.used,
            })?)?;
        }
        Ok(Descriptors {
            pieces,
            first_free: self.first_free,
            bytes: self.bytes,
        })
    }

    /// All files, leaving none.
    pub fn take(&mut self) -> Descriptors<F> {
        core::mem::replace(self, Descriptors::new())
    }
}
