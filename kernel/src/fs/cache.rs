//! All inodes in memory, in order of their numbers. An inode stays here, with its pages, when nobody
//! uses it any more, until memory gets short.

use super::inode::Inode;
use super::volume;
use crate::dev::disk::Disk;
use crate::mm::ram::frames;
use crate::sync::{SpinLock, rank};
use abi::Errno;
use core::hint;
use core::ops::Deref;
use core::sync::atomic::Ordering;
use fallible::{KArc, KVec};
use frames::Shrinker;
use xv6fs::Fs;

static INODES: SpinLock<KVec<KArc<Inode>>, { rank::CACHE }> = SpinLock::new(KVec::new());

/// How often a hart that needs memory tries for the list of inodes.
const PATIENCE: usize = 10_000;

struct PageCache;
static PAGE_CACHE: PageCache = PageCache;

/// Lets the allocator ask for cached pages back.
pub fn init() {
    frames().register_shrinker(&PAGE_CACHE);
}

/// Inodes in memory.
pub fn counts() -> usize {
    INODES.lock().len()
}

fn position(inodes: &[KArc<Inode>], inum: u32) -> Result<usize, usize> {
    inodes.binary_search_by_key(&inum, |inode| inode.inum())
}

/// The inode with this number. The file system is locked, so the number cannot get another meaning
/// meanwhile.
pub fn get(fs: &mut Fs<Disk>, inum: u32) -> Result<InodeRef, Errno> {
    if let Some(inode) = find(inum) {
        return Ok(InodeRef::new(inode));
    }
    let info = fs.stat(inum)?;
    let inode = Inode::try_new(inum, &info)?;
    let reference = InodeRef::new(inode.clone());
    let mut inodes = INODES.lock();
    if let Err(position) = position(&inodes, inum) {
        inodes.try_insert(position, inode)?;
    }
    Ok(reference)
}

fn find(inum: u32) -> Option<KArc<Inode>> {
    let inodes = INODES.lock();
    let position = position(&inodes, inum).ok()?;
    inodes.get(position).cloned()
}

/// The last name of an inode is gone: it goes now, or with its last user.
pub fn unlinked(fs: &mut Fs<Disk>, inum: u32) {
    if let Some(inode) = find(inum) {
        inode.unlinked().store(true, Ordering::SeqCst);
        if inode.users().load(Ordering::SeqCst) > 0 {
            return;
        }
    }
    release_unlinked(fs, inum);
}

/// Frees an inode without names if it still is there and has no users. Where the disk fails the
/// inode stays marked as free of names, and the next mount frees it.
pub fn release_unlinked(fs: &mut Fs<Disk>, inum: u32) {
    let removed = {
        let mut inodes = INODES.lock();
        match position(&inodes, inum) {
            Ok(position) => {
                let idle = inodes.get(position).is_some_and(|inode| {
                    inode.unlinked().load(Ordering::SeqCst)
                        && inode.users().load(Ordering::SeqCst) == 0
                });
                if !idle {
                    return;
                }
                inodes.remove(position)
            }
            // Never used since it was read: nothing in memory. Freed already: its links say so.
            Err(_) => None,
        }
    };
    drop(removed);
    if fs.stat(inum).is_ok_and(|info| info.nlink == 0) {
        let _ = fs.free(inum);
    }
}

/// Pages that the cache could give back now, and all it has, if the list is free.
pub fn try_pages() -> Option<(usize, usize)> {
    let inodes = INODES.try_lock()?;
    let each = inodes
        .iter()
        .map(|inode| inode.object())
        .map(|object| (object.reclaimable(), object.resident()));
    Some(each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

impl Shrinker for PageCache {
    fn shrink(&self, wanted: usize) -> usize {
        // Another hart lets go of the list soon; this one may hold it itself and never would.
        let Some(mut inodes) = (0..PATIENCE).find_map(|_| {
            hint::spin_loop();
            INODES.try_lock()
        }) else {
            return 0;
        };
        let mut freed = 0;
        for inode in inodes.iter() {
            if freed >= wanted {
                return freed;
            }
            freed += inode.shrink(wanted - freed);
        }
        inodes.retain(|inode| {
            let idle = KArc::strong_count(inode) == 1 && inode.users().load(Ordering::SeqCst) == 0;
            !idle || inode.object().reclaimable() > 0
        });
        inodes.shrink();
        freed
    }

    fn reclaimable(&self) -> usize {
        let inodes = INODES.lock();
        let objects = inodes.iter().map(|inode| inode.object());
        objects.map(|object| object.reclaimable()).sum()
    }
}

/// A counted use of an inode. With the last one an unlinked inode goes from the disk.
pub struct InodeRef(KArc<Inode>);

impl InodeRef {
    /// One use more. The file system is locked, so that nobody frees the inode meanwhile.
    fn new(inode: KArc<Inode>) -> InodeRef {
        inode.users().fetch_add(1, Ordering::SeqCst);
        InodeRef(inode)
    }
}

impl Deref for InodeRef {
    type Target = Inode;
    fn deref(&self) -> &Inode {
        &self.0
    }
}

impl Clone for InodeRef {
    fn clone(&self) -> InodeRef {
        InodeRef::new(self.0.clone())
    }
}

impl PartialEq for InodeRef {
    fn eq(&self, other: &InodeRef) -> bool {
        KArc::ptr_eq(&self.0, &other.0)
    }
}

impl Drop for InodeRef {
    fn drop(&mut self) {
        // Together with [`unlinked`]: each changes its own side first and then looks at the
        // other's, so at least one of the two sees that the inode has to go.
        if self.users().fetch_sub(1, Ordering::SeqCst) == 1
            && self.unlinked().load(Ordering::SeqCst)
        {
            self.release();
        }
    }
}

impl InodeRef {
    /// Frees the inode, which has lost its last name and its last user.
    #[cold]
    #[inline(never)]
    fn release(&self) {
        release_unlinked(&mut volume::lock(), self.inum());
    }
}
