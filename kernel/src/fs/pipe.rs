//! Pipes: a page of bytes between two ends.

use crate::mm::user::UserRange;
use crate::mm::{Commit, Frame};
use crate::sched::{Awaited, SleepLock, WaitQueue};
use abi::Errno;
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::KArc;
use frames::FRAME_SIZE;

static PIPES: AtomicUsize = AtomicUsize::new(0);

/// Pipes in the whole system.
pub fn pipes() -> usize {
    PIPES.load(Ordering::Relaxed)
}

/// What the two ends share.
pub struct Pipe {
    state: SleepLock<State>,
    /// Readers wait here for bytes.
    filled: WaitQueue,
    /// Writers wait here for room.
    drained: WaitQueue,
}

struct State {
    ring: Frame,
    _commit: Commit,
    /// Bytes read and written since the beginning; their difference is in the ring.
    read: usize,
    written: usize,
    reader_gone: bool,
    writer_gone: bool,
}

/// The end to read from.
pub struct ReadEnd(KArc<Pipe>);
/// The end to write to.
pub struct WriteEnd(KArc<Pipe>);

impl Pipe {
    /// A new pipe's ends.
    pub fn try_new() -> Result<(ReadEnd, WriteEnd), Errno> {
        let state = State {
            _commit: Commit::try_new(1)?,
            ring: Frame::try_new()?,
            read: 0,
            written: 0,
            reader_gone: false,
            writer_gone: false,
        };
        PIPES.fetch_add(1, Ordering::Relaxed);
        let pipe = KArc::try_new(Pipe {
            state: SleepLock::new(Awaited::PipeLock, state),
            filled: WaitQueue::new(Awaited::PipeBytes),
            drained: WaitQueue::new(Awaited::PipeRoom),
        })?;
        Ok((ReadEnd(pipe.clone()), WriteEnd(pipe)))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// The longest piece from `position` on that does not wrap and is not longer than `most`.
    fn piece(position: usize, most: usize) -> core::ops::Range<usize> {
        let start = position % FRAME_SIZE;
        start..FRAME_SIZE.min(start + most)
    }

    fn filled(&self) -> usize {
        self.written.wrapping_sub(self.read)
    }

    fn take(&mut self, to: UserRange) -> Result<usize, Errno> {
        let mut done = 0;
        while done < to.len() && self.filled() > 0 {
            let piece = State::piece(self.read, self.filled().min(to.len() - done));
            let count = piece.len();
            let bytes = self.ring.bytes().get(piece).ok_or(Errno::Invalid)?;
            match to.part(done, count).write(bytes) {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.read = self.read.wrapping_add(count);
            done += count;
        }
        Ok(done)
    }

    fn put(&mut self, from: UserRange) -> Result<usize, Errno> {
        let mut done = 0;
        while done < from.len() && self.filled() < FRAME_SIZE {
            let room = FRAME_SIZE - self.filled();
            let piece = State::piece(self.written, room.min(from.len() - done));
            let count = piece.len();
            let page = self.ring.bytes_mut();
            let bytes = page.and_then(|page| page.get_mut(piece));
            let bytes = bytes.ok_or(Errno::Invalid)?;
            match from.part(done, count).read(bytes) {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.written = self.written.wrapping_add(count);
            done += count;
        }
        Ok(done)
    }
}

impl ReadEnd {
    /// Reads what is there, waiting for at least a byte; 0 when no writer is left.
    pub fn read(&self, to: UserRange) -> Result<usize, Errno> {
        let mut state = self.0.state.lock();
        if to.len() == 0 {
            return Ok(0);
        }
        while state.filled() == 0 && !state.writer_gone {
            state = state.wait(&self.0.filled)?;
        }
        let count = state.take(to)?;
        drop(state);
        self.0.drained.wake_all();
        Ok(count)
    }
}

impl WriteEnd {
    /// Writes all, waiting for room; fewer bytes only if the reader goes or the memory cannot be
    /// read on the way, an error if that happens before the first.
    pub fn write(&self, from: UserRange) -> Result<usize, Errno> {
        let mut done = 0;
        while done < from.len() {
            let mut state = self.0.state.lock();
            while state.filled() == FRAME_SIZE && !state.reader_gone {
                state = state.wait(&self.0.drained)?;
            }
            let put = match state.reader_gone {
                true => Err(Errno::BrokenPipe),
                false => state.put(from.part(done, from.len())),
            };
            // Readers that are woken want the state at once.
            drop(state);
            match put {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
            self.0.filled.wake_all();
        }
        Ok(done)
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        self.0.state.lock().reader_gone = true;
        self.0.drained.wake_all();
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.state.lock().writer_gone = true;
        self.0.filled.wake_all();
    }
}
