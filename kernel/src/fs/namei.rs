//! Operations on paths: look up, create, link, unlink.

use super::cache::{self, InodeRef};
use super::volume::lock;
use abi::{Errno, FileType};
use xv6fs::ROOT;

/// The root directory.
pub fn root() -> Result<InodeRef, Errno> {
    cache::get(&mut lock(), ROOT)
}

/// The inode of a path.
pub fn find(start: &InodeRef, path: &[u8]) -> Result<InodeRef, Errno> {
    let mut fs = lock();
    let inum = fs.resolve(start.inum(), path)?;
    cache::get(&mut fs, inum)
}

/// Creates an inode and its directory entry. If the name exists, returns its inode if `reuse` is set and it is not a
/// directory, else an error.
pub fn create(
    start: &InodeRef,
    path: &[u8],
    kind: FileType,
    numbers: (i16, i16),
    reuse: bool,
) -> Result<InodeRef, Errno> {
    let mut fs = lock();
    let (directory, name) = fs.resolve_parent(start.inum(), path)?;
    if let Some(inum) = fs.lookup(directory, name)? {
        let info = fs.stat(inum)?;
        return match info.kind {
            _ if !reuse => Err(Errno::Exists),
            FileType::Directory => Err(Errno::IsDirectory),
            FileType::File | FileType::Device => cache::get(&mut fs, inum),
        };
    }
    let inum = fs.create(directory, name, kind, numbers.0, numbers.1)?;
    cache::get(&mut fs, inum).inspect_err(|_| {
        // No memory for the inode: removes the new file again.
        if fs.unlink(directory, name).is_ok() {
            let _ = fs.free(inum);
        }
    })
}

/// Adds a link to a file.
pub fn link(start: &InodeRef, old: &[u8], new: &[u8]) -> Result<(), Errno> {
    let mut fs = lock();
    let inum = fs.resolve(start.inum(), old)?;
    let (directory, name) = fs.resolve_parent(start.inum(), new)?;
    Ok(fs.link(inum, directory, name)?)
}

/// Removes a link; the file is freed with its last link and its last user.
pub fn unlink(start: &InodeRef, path: &[u8]) -> Result<(), Errno> {
    let mut fs = lock();
    let (directory, name) = fs.resolve_parent(start.inum(), path)?;
    let unlinked = fs.unlink(directory, name)?;
    if unlinked.nlink == 0 {
        cache::unlinked(&mut fs, unlinked.inum);
    }
    Ok(())
}
