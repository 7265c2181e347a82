//! The inode cache, sorted by inode number. An unused inode stays cached, with its pages, until memory is short.

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

/// Attempts of the shrinker to lock the list of inodes.
const TRY_LOCK_SPINS: usize = 10_000;

struct PageCache;
static PAGE_CACHE: PageCache = PageCache;

/// Registers the page cache's shrinker.
pub fn init() {
    frames().register_shrinker(&PAGE_CACHE);
}

/// Number of inodes in memory.
pub fn inode_count() -> usize {
    INODES.lock().len()
}

fn position(inodes: &[KArc<Inode>], inum: u32) -> Result<usize, usize> {
    inodes.binary_search_by_key(&inum, |inode| inode.inum())
}

/// The inode with this number, read from the disk if it is not cached. The file system is locked, so the number is
/// not reused meanwhile.
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

/// The last link of an inode is gone: frees it, unless it has users; then its last user does.
pub fn unlinked(fs: &mut Fs<Disk>, inum: u32) {
    if let Some(inode) = find(inum) {
        inode.unlinked().store(true, Ordering::SeqCst);
        if inode.users().load(Ordering::SeqCst) > 0 {
            return;
        }
    }
    release_unlinked(fs, inum);
}

/// Frees an unlinked inode if it is not freed yet and has no users. After a disk error the inode remains on the
/// disk with no links, and the next mount frees it.
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
            // Not cached, or freed already; the link count below tells.
            Err(_) => None,
        }
    };
    drop(removed);
    if fs.stat(inum).is_ok_and(|info| info.nlink == 0) {
        let _ = fs.free(inum);
    }
}

/// Reclaimable pages and all pages of the page cache; `None` if the list is locked.
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
        // Not `lock`: the allocation that this is called from may be made with the list locked.
        let Some(mut inodes) = (0..TRY_LOCK_SPINS).find_map(|_| {
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

/// A counted reference to an inode. Dropping the last one frees the inode on the disk if it is unlinked.
pub struct InodeRef(KArc<Inode>);

impl InodeRef {
    /// Adds a user. Either the file system is locked or the caller has a reference, so nobody frees the inode.
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
        // Pairs with [`unlinked`]: each changes its own flag first and then reads the other's, so at least one
        // of the two frees the inode.
        if self.users().fetch_sub(1, Ordering::SeqCst) == 1
            && self.unlinked().load(Ordering::SeqCst)
        {
            self.release();
        }
    }
}

impl InodeRef {
    /// Frees the inode, which has no link and no user.
    #[cold]
    #[inline(never)]
    fn release(&self) {
        release_unlinked(&mut volume::lock(), self.inum());
    }
}
