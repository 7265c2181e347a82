//! Many frames at once, past the CPUs' caches.

use crate::Pfn;
use crate::error::{OutOfMemory, WrongFree};
use crate::frames::Frames;
use crate::tag;
use lock_api::RawMutex;

/// Frames handled under one hold of the lock.
const CHUNK: usize = 64;

impl<R: RawMutex> Frames<R> {
    /// Fills `out` with single frames, each with one reference; in runs where there are any.
    ///
    /// # Errors
    /// When there are not that many, under the same pressure as [`Frames::alloc`]; `out` then means
    /// nothing, and nothing is allocated.
    ///
    /// ```
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
    /// assert_eq!(frames.total(), 64);
    /// let mut pages = [Pfn::new(0); 40];
    /// frames.alloc_bulk(0, &mut pages)?;
    /// assert!(frames.alloc_bulk(0, &mut [Pfn::new(0); 40]).is_err());
    /// assert_eq!(frames.free_count(), 24, "the one that failed left no trace");
    /// frames.free_bulk(&pages)?;
    /// assert_eq!(frames.free_count(), 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc_bulk(&self, cpu: usize, out: &mut [Pfn]) -> Result<(), OutOfMemory> {
        let mut done = 0;
        for chunk in out.chunks_mut(CHUNK) {
            let mut take = || self.take_chunk(chunk).then_some(());
            if take()
                .or_else(|| self.reclaim_and_retry(cpu, CHUNK, take))
                .is_none()
            {
                break;
            }
            done += chunk.len();
        }
        if done == out.len() {
            return Ok(());
        }
        // They were just allocated, so freeing them cannot fail.
        let _ = self.free_bulk(out.get(..done).unwrap_or(&[]));
        Err(OutOfMemory)
    }

    /// All of a chunk or nothing.
    fn take_chunk(&self, chunk: &mut [Pfn]) -> bool {
        let mut indices = [0; CHUNK];
        let Some(indices) = indices.get_mut(..chunk.len()) else {
            return false;
        };
        let mut buddy = self.buddy.lock();
        // Any free frame will do, so their number decides.
        if buddy.free() < indices.len() {
            return false;
        }
        let taken = buddy.take_singles(indices);
        debug_assert_eq!(taken, indices.len(), "fewer frames than are free");
        drop(buddy);
        for (frame, &index) in chunk.iter_mut().zip(&*indices) {
            *frame = self.hand_out(index as usize, 0, 0);
        }
        true
    }

    /// Gives back single frames that have no other reference.
    ///
    /// # Errors
    /// At the first frame for which [`Frames::free`] would fail; those before it are free, it and
    /// those behind it are as they were.
    pub fn free_bulk(&self, frames: &[Pfn]) -> Result<(), WrongFree> {
        for chunk in frames.chunks(CHUNK) {
            let good = chunk
                .iter()
                .take_while(|&&frame| self.retag(self.index(frame), tag::LIVE, tag::FREE));
            let (good, rest) = chunk.split_at(good.count());
            let mut buddy = self.buddy.lock();
            for &frame in good {
                buddy.give(self.index(frame), 0);
            }
            drop(buddy);
            for &frame in rest {
                self.free(usize::MAX, frame, 0)?;
            }
        }
        Ok(())
    }
}
