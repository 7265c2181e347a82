//! Pipes: a ring buffer of one page.

use crate::mm::user::UserRange;
use crate::mm::{Commit, Frame};
use crate::sched::{SleepLock, WaitQueue, Wchan};
use abi::{Errno, Use};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::KArc;
use files::Ring;
use frames::FRAME_SIZE;

static PIPES: AtomicUsize = AtomicUsize::new(0);

/// Number of pipes in the system.
pub fn pipes() -> usize {
    PIPES.load(Ordering::Relaxed)
}

/// A pipe, shared by its two ends.
pub struct Pipe {
    state: SleepLock<State>,
    /// Readers waiting for bytes.
    rd_wait: WaitQueue,
    /// Writers waiting for room.
    wr_wait: WaitQueue,
}

struct State {
    bytes: Frame,
    _commit: Commit,
    ring: Ring<FRAME_SIZE>,
    reader_gone: bool,
    writer_gone: bool,
}

/// The read end.
pub struct ReadEnd(KArc<Pipe>);
/// The write end.
pub struct WriteEnd(KArc<Pipe>);

impl Pipe {
    /// A new pipe: its two ends.
    pub fn try_new() -> Result<(ReadEnd, WriteEnd), Errno> {
        let state = State {
            _commit: Commit::try_new(1)?,
            bytes: Frame::try_new(Use::Kernel)?,
            ring: Ring::new(),
            reader_gone: false,
            writer_gone: false,
        };
        PIPES.fetch_add(1, Ordering::Relaxed);
        let pipe = KArc::try_new(Pipe {
            state: SleepLock::new(Wchan::PipeLock, state),
            rd_wait: WaitQueue::new(Wchan::PipeBytes),
            wr_wait: WaitQueue::new(Wchan::PipeRoom),
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
    fn take(&mut self, to: UserRange) -> Result<usize, Errno> {
        let bytes = self.bytes.bytes();
        self.ring.read(to.len(), |piece, done| {
            let piece = bytes.get(piece).ok_or(Errno::Invalid)?;
            to.part(done, piece.len()).write(piece)
        })
    }

    fn put(&mut self, from: UserRange) -> Result<usize, Errno> {
        let mut bytes = self.bytes.bytes_mut();
        self.ring.write(from.len(), |piece, done| {
            let bytes = bytes.as_mut().and_then(|bytes| bytes.get_mut(piece));
            let piece = bytes.ok_or(Errno::Invalid)?;
            from.part(done, piece.len()).read(piece)
        })
    }
}

impl ReadEnd {
    /// Reads the available bytes; sleeps until there is at least one. Returns 0 when the write end is closed.
    pub fn read(&self, to: UserRange) -> Result<usize, Errno> {
        let mut state = self.0.state.lock();
        if to.len() == 0 {
            return Ok(0);
        }
        while state.ring.is_empty() && !state.writer_gone {
            state = self.0.rd_wait.wait(state)?;
        }
        let count = state.take(to)?;
        drop(state);
        self.0.wr_wait.wake_all();
        Ok(count)
    }
}

impl WriteEnd {
    /// Writes all bytes; sleeps until there is room. If the read end is closed or user memory cannot be read, returns
    /// the bytes written before, or an error if there are none.
    pub fn write(&self, from: UserRange) -> Result<usize, Errno> {
        let mut done = 0;
        while done < from.len() {
            let mut state = self.0.state.lock();
            while state.ring.is_full() && !state.reader_gone {
                state = self.0.wr_wait.wait(state)?;
            }
            let put = match state.reader_gone {
                true => Err(Errno::BrokenPipe),
                false => state.put(from.part(done, from.len())),
            };
            // Unlocked before readers are woken, which lock the state.
            drop(state);
            match put {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
            self.0.rd_wait.wake_all();
        }
        Ok(done)
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        self.0.state.lock().reader_gone = true;
        self.0.wr_wait.wake_all();
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.state.lock().writer_gone = true;
        self.0.rd_wait.wake_all();
    }
}
