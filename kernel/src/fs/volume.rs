//! The mounted file system, under one sleeping lock, and when its changes go to the disk.
//!
//! A call leaves its changes in the running transaction, in memory. A thread of the kernel brings them to
//! the disk when nobody else wants to run, and otherwise when they are [`MOST_AGE`] old; `sync` and
//! the end of the machine do not wait for it. It sleeps as long as there is nothing to bring.

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
const BUFFERS: usize = 48;

/// Milliseconds between two looks at whether the machine idles, while there are changes.
const PERIOD_MS: u64 = 40;
/// Seconds that changes are in memory only, at the most.
const MOST_AGE: u64 = 5;

static FS: Once<SleepLock<Volume>> = Once::new();
static SYNC: AtomicBool = AtomicBool::new(false);

/// Whether there are changes to bring to the disk.
static CHANGED: SpinLock<bool, { rank::DEVICE }> = SpinLock::new(false);
static CHANGES: WaitQueue = WaitQueue::new(Wchan::Changes);

struct Volume {
    fs: Fs<Disk>,
    /// The thread that writes back was told of changes, and has not found all of them written since.
    told: bool,
    /// The disk has failed, and a line has said so.
    failing: bool,
}

/// Has each call bring its changes to the disk before it returns; before the file system is mounted.
pub fn set_sync() {
    SYNC.store(true, Ordering::Relaxed);
}

/// Mounts the root file system; the running process waits for the disk.
pub fn mount(disk: Disk) -> Result<(), Error> {
    let mut fs = Fs::mount(disk, BUFFERS)?;
    fs.set_sync(SYNC.load(Ordering::Relaxed));
    let (told, failing) = (false, false);
    FS.set(SleepLock::new(
        Wchan::FileSystemLock,
        Volume { fs, told, failing },
    ));
    sched::spawn("writeback", write_back).map_err(|_| Error::NoMemory)
}

/// The file system, for this process alone until the guard goes.
pub fn lock() -> FsGuard {
    FsGuard(FS.get().lock())
}

/// The right to use the file system.
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
        if !volume.told && volume.fs.is_dirty() {
            volume.told = true;
            *CHANGED.lock() = true;
            CHANGES.wake_all();
        }
    }
}

/// Waits until the disk has all changes.
///
/// # Errors
/// The disk has failed. The changes stay, and are tried again.
pub fn sync() -> Result<(), Errno> {
    let mut volume = FS.get().lock();
    let done = volume.fs.commit();
    volume.tell(done);
    Ok(done?)
}

/// Waits until the disk has all changes, or has failed; there are no more as long as the guard is there.
pub fn shut_down() -> Option<FsGuard> {
    let mut volume = FS.try_get()?.lock();
    let done = volume.fs.checkpoint();
    volume.tell(done);
    Some(FsGuard(volume))
}

impl Volume {
    /// Says on the console that the disk has begun to fail, or works again.
    fn tell(&mut self, done: Result<(), Error>) {
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

    /// Brings all changes to the disk, and to where they belong.
    fn write_back(&mut self) {
        let done = self.fs.checkpoint();
        self.tell(done);
        if !self.fs.is_dirty() {
            self.told = false;
            *CHANGED.lock() = false;
        }
    }
}

/// The thread that writes back.
extern "C" fn write_back(_: usize) {
    sched::schedule_tail();
    let mut since = timer::now();
    loop {
        let mut changed = CHANGED.lock();
        while !*changed {
            changed = CHANGES.wait_uninterruptible(changed);
            since = timer::now();
        }
        drop(changed);
        let _ = sched::sleep_until(timer::now() + timer::frequency() * PERIOD_MS / 1000);
        let old = timer::now() - since >= timer::frequency() * MOST_AGE;
        if old {
            FS.get().lock().write_back();
            since = timer::now();
        } else if sched::nobody_else_runs()
            && let Some(mut volume) = FS.get().try_lock()
            // A disk that fails is asked again when the changes are old.
            && !volume.failing
        {
            volume.write_back();
        }
    }
}
