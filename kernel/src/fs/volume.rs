//! The mounted file system, under one sleeping lock.

use crate::dev::disk::Disk;
use crate::sched::{SleepGuard, SleepLock, Wchan};
use crate::sync::Once;
use xv6fs::Fs;

/// Block buffers: what xv6's log can pin, and some more. File content is cached in pages, not here.
const BUFFERS: usize = 40;

static FS: Once<SleepLock<Fs<Disk>>> = Once::new();

/// Mounts the root file system; the running process waits for the disk.
pub fn mount(disk: Disk) -> Result<(), xv6fs::Error> {
    let fs = Fs::mount(disk, BUFFERS)?;
    FS.set(SleepLock::new(Wchan::FileSystemLock, fs));
    Ok(())
}

/// The file system, for this process alone until the guard goes.
pub fn lock() -> SleepGuard<'static, Fs<Disk>> {
    FS.get().lock()
}
