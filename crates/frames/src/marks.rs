//! Marks: which frames are the object allocator's, and what it knows of each.

use crate::Pfn;
use crate::error::WrongFree;
use crate::frames::Frames;
use crate::tag;
use core::sync::atomic::Ordering;
use lock_api::RawMutex;

/// What an object allocator needs of the page allocator that it stands on: a mark and a word for each of
/// its frames. [`Frames`] has it.
///
/// ```
/// use frames::Marks;
/// # use frames::{Frames, Layout, Pfn};
/// # use core::sync::atomic::{AtomicBool, Ordering};
/// # struct Spin(AtomicBool);
/// # unsafe impl lock_api::RawMutex for Spin {
/// #     const INIT: Spin = Spin(AtomicBool::new(false));
/// #     type GuardMarker = lock_api::GuardNoSend;
/// #     fn lock(&self) { while !self.try_lock() {} }
/// #     fn try_lock(&self) -> bool { !self.0.swap(true, Ordering::Acquire) }
/// #     unsafe fn unlock(&self) { self.0.store(false, Ordering::Release) }
/// # }
/// # let layout = Layout { usable: &[Pfn::new(0x80000)..Pfn::new(0x80040)], reserved: &[] };
/// # let metadata = vec![0; layout.metadata_bytes() / 8].leak();
/// # let frames = Frames::<Spin>::new(&layout, metadata, 1).unwrap();
/// let page = frames.alloc(0, 0)?;
/// frames.mark(page, 5, 1234)?;
/// assert_eq!(frames.mark_and_word(page.get() as usize), (5, 1234));
/// assert!(frames.free(0, page, 0).is_err(), "it is the object allocator's");
/// frames.unmark(page, 5)?;
/// frames.free(0, page, 0)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Marks {
    /// Marks a single frame in use, with one reference, as the object allocator's: `mark`, below
    /// 128, and `word` are for it to choose. The frame cannot be freed or released while it has a mark.
    ///
    /// # Errors
    /// When `frame` is not a single frame in use that was never shared.
    fn mark(&self, frame: Pfn, mark: u8, word: u32) -> Result<(), WrongFree>;

    /// Changes the mark of a frame; its word stays.
    ///
    /// # Errors
    /// When `frame` does not have the mark `from`.
    fn remark(&self, frame: Pfn, from: u8, to: u8) -> Result<(), WrongFree>;

    /// Takes the mark and the word away. Of two calls at the same time, one fails.
    ///
    /// # Errors
    /// When `frame` does not have this mark.
    fn unmark(&self, frame: Pfn, mark: u8) -> Result<(), WrongFree>;

    /// The mark and the word, at once, of the frame with this number, which may be one that no frame has;
    /// 128 or more for no mark. Who sees a mark from [`Marks::mark`] sees the word that came with it and
    /// what its caller wrote before.
    fn mark_and_word(&self, number: usize) -> (usize, u32);

    /// The mark of a frame that has one.
    #[inline]
    fn marked(&self, frame: Pfn) -> Option<u8> {
        let (mark, _) = self.mark_and_word(frame.get() as usize);
        (mark < 128).then_some(mark as u8)
    }

    /// The word of a frame that has a mark.
    #[inline]
    fn word(&self, frame: Pfn) -> Option<u32> {
        let (mark, word) = self.mark_and_word(frame.get() as usize);
        (mark < 128).then_some(word)
    }
}

impl<R: RawMutex> Marks for Frames<R> {
    #[inline]
    fn mark(&self, frame: Pfn, mark: u8, word: u32) -> Result<(), WrongFree> {
        let index = self.index(frame);
        // Nobody else's from here on: the word must not count references.
        if mark >= tag::UNMARKED || !self.retag(index, tag::LIVE, tag::RESERVED) {
            return Err(self.wrong(frame));
        }
        if let (Some(tag), Some(count)) = (self.tags.get(index), self.counts.get(index)) {
            count.store(word, Ordering::Relaxed);
            tag.store(mark, Ordering::Release);
        }
        Ok(())
    }

    #[inline]
    fn remark(&self, frame: Pfn, from: u8, to: u8) -> Result<(), WrongFree> {
        match from.max(to) < tag::UNMARKED && self.retag(self.index(frame), from, to) {
            true => Ok(()),
            false => Err(self.wrong(frame)),
        }
    }

    #[inline]
    fn unmark(&self, frame: Pfn, mark: u8) -> Result<(), WrongFree> {
        let index = self.index(frame);
        if mark >= tag::UNMARKED || !self.retag(index, mark, tag::RESERVED) {
            return Err(self.wrong(frame));
        }
        // Nobody else's in between: the word is cleared before it counts references again.
        if let (Some(tag), Some(word)) = (self.tags.get(index), self.counts.get(index)) {
            word.store(0, Ordering::Relaxed);
            tag.store(tag::LIVE, Ordering::Relaxed);
        }
        Ok(())
    }

    #[inline(always)]
    fn mark_and_word(&self, number: usize) -> (usize, u32) {
        let index = number.wrapping_sub(self.base());
        match (self.tags.get(index), self.counts.get(index)) {
            (Some(tag), Some(word)) => (
                usize::from(tag.load(Ordering::Acquire)),
                word.load(Ordering::Relaxed),
            ),
            _ => (usize::MAX, 0),
        }
    }
}
