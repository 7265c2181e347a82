//! The mounted file system, under one sleeping lock, and its writeback.
//!
//! A system call leaves its changes in the running transaction, in memory. The kernel thread `writeback` writes them
//! to the disk when the machine is idle, and otherwise when they are [`DIRTY_EXPIRE_SECONDS`] old. `sync` and
//! shutdown write them at once. The thread sleeps while nothing is dirty.

use crate::arch::timer;
use crate::dev::disk::Disk;
use crate::println;
use crate::sched::{self, SleepGuard, SleepLock, WaitQueue, Wchan};
use crate::sync::{Once, SpinLock, rank};
use abi::Errno;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};
use xv6fs::{Error, Fs};

/// Block buffers: what xv6's log can pin, and some more. File content is cached in pages, not here.
const BUFFERS: usize = 43;

/// Milliseconds between two checks whether the machine is idle, while there are dirty blocks.
const WRITEBACK_PERIOD_MS: u64 = 40;
/// Seconds after which changes are written even if the machine is busy.
const DIRTY_EXPIRE_SECONDS: u64 = 5;

static FS: Once<SleepLock<Volume>> = Once::new();
static SYNC: AtomicBool = AtomicBool::new(false);

/// Whether there are dirty blocks.
static DIRTY: SpinLock<bool, { rank::DEVICE }> = SpinLock::new(false);
static WRITEBACK: WaitQueue = WaitQueue::new(Wchan::Writeback);

struct Volume {
    fs: Fs<Disk>,
    /// The writeback thread was woken, and has not written all changes since.
    writeback_pending: bool,
    /// The last write failed, which was reported.
    failing: bool,
}

/// Makes each system call write its changes before it returns; called before the file system is mounted.
pub fn set_sync() {
    SYNC.store(true, Ordering::Relaxed);
}

/// Mounts the root file system; the running process waits for the disk.
pub fn mount(disk: Disk) -> Result<(), Error> {
    let mut fs = Fs::mount(disk, BUFFERS)?;
    fs.set_sync(SYNC.load(Ordering::Relaxed));
    let (writeback_pending, failing) = (false, false);
    FS.set(SleepLock::new(
        Wchan::FileSystemLock,
        Volume {
            fs,
            writeback_pending,
            failing,
        },
    ));
    sched::spawn::<Writeback>().map_err(|_| Error::NoMemory)
}

/// Locks the file system.
pub fn lock() -> FsGuard {
    FsGuard(FS.get().lock())
}

/// The guard of the file system's lock. Dropping it wakes the writeback thread if there are dirty blocks.
pub struct FsGuard(SleepGuard<'static, Volume>);

impl Deref for FsGuard {
    type Target = Fs<Disk>;
    fn deref(&self) -> &Fs<Disk> {
        &self.0.fs
    }
}

impl DerefMut for FsGuard {
    fn deref_mut(&mut self) -> &mut Fs<Disk> {
        &mut self.0.fs
    }
}

impl Drop for FsGuard {
    fn drop(&mut self) {
        let volume = &mut *self.0;
        if !volume.writeback_pending && volume.fs.is_dirty() {
            volume.writeback_pending = true;
            *DIRTY.lock() = true;
            WRITEBACK.wake_all();
        }
    }
}

/// Writes all changes to the disk.
///
/// # Errors
/// If the disk fails. The changes stay in memory; writeback retries.
pub fn sync() -> Result<(), Errno> {
    let mut volume = FS.get().lock();
    let done = volume.fs.commit();
    volume.report(done);
    Ok(done?)
}

/// Writes all changes to the disk, unless it fails. The guard keeps the file system locked.
pub fn shut_down() -> Option<FsGuard> {
    let mut volume = FS.try_get()?.lock();
    let done = volume.fs.checkpoint();
    volume.report(done);
    Some(FsGuard(volume))
}

impl Volume {
    /// Prints a line when the disk begins to fail, and when it works again.
    fn report(&mut self, done: Result<(), Error>) {
        let fails = done.is_err();
        if fails != core::mem::replace(&mut self.failing, fails) {
            println!(
                "{}",
                match fails {
                    true => "disk error: changes stay in memory and are tried again",
                    false => "the disk works again and has all changes",
                }
            );
        }
    }

    /// Writes all changes to the log and to their home blocks.
    fn write_back(&mut self) {
        let done = self.fs.checkpoint();
        self.report(done);
        if !self.fs.is_dirty() {
            self.writeback_pending = false;
            *DIRTY.lock() = false;
        }
    }
}

/// The writeback thread.
struct Writeback;

impl sched::KernelTask for Writeback {
    const NAME: &'static str = "writeback";

    #[inline(always)]
    fn run() -> ! {
        write_back()
    }
}

/// Not inlined, so that backtraces name it.
#[inline(never)]
fn write_back() -> ! {
    let mut since = timer::now();
    loop {
        let mut dirty = DIRTY.lock();
        while !*dirty {
            dirty = WRITEBACK.wait_uninterruptible(dirty);
            since = timer::now();
        }
        drop(dirty);
        let _ = sched::sleep_until(timer::now() + timer::frequency() * WRITEBACK_PERIOD_MS / 1000);
        let old = timer::now() - since >= timer::frequency() * DIRTY_EXPIRE_SECONDS;
        if old {
            FS.get().lock().write_back();
            since = timer::now();
        } else if sched::nobody_else_runs()
            && let Some(mut volume) = FS.get().try_lock()
            // A failing disk is retried only when the changes have expired.
            && !volume.failing
        {
            volume.write_back();
        }
    }
}
