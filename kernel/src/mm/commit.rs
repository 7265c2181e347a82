//! How many frames are promised: to address spaces for whatever they may touch (`vm`'s `commit.rs`), to
//! files that are mapped, and to the kernel for all that no cache gives back.
//!
//! With strict accounting the sum is never more than the frames there are. Then a page fault always
//! finds a frame, at the latest when the caches have given back, and what cannot be promised fails with
//! an error: Linux's `vm.overcommit_memory=2`, with page tables and the kernel's own memory counted.
//! Otherwise promises are only counted.

use super::ram::frames;
use crate::sync::Once;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fallible::AllocError;

static COMMITTED: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
/// Has the kernel give back the memory that it has promised itself and does not need.
static DRAIN: Once<fn()> = Once::new();
static STRICT: AtomicBool = AtomicBool::new(false);

/// Makes the accounting strict; a boot argument asks for it, before there are programs.
pub fn set_strict(strict: bool) {
    STRICT.store(strict, Ordering::Relaxed);
}

/// Whether no more is promised than there is.
pub fn is_strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Sets the limit, before the first program: what is free now, and what is promised already.
pub fn init() {
    if is_strict() {
        frames().shrink_all();
        let committed = committed();
        let free = frames().stats().free;
        LIMIT.store(committed + free as u64, Ordering::Relaxed);
    }
}

/// Frames promised.
pub fn committed() -> u64 {
    COMMITTED.load(Ordering::Relaxed)
}

/// The most that may be promised, if there is a limit.
pub fn limit() -> Option<u64> {
    is_strict().then(|| LIMIT.load(Ordering::Relaxed))
}

/// Promises frames; false, and nothing done, beyond the limit.
#[inline]
pub fn try_add(count: u64) -> bool {
    let limit = LIMIT.load(Ordering::Relaxed);
    // At no time is there a sum above the limit, which others would be refused for.
    let within = |old: u64| old.checked_add(count).filter(|&new| new <= limit);
    COMMITTED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
        .is_ok()
}

/// Says who gives back what the kernel does not need, when there is nothing left to promise.
pub fn on_shortage(drain: fn()) {
    DRAIN.set(drain);
}

/// As [`try_add`]; where that fails, first kmalloc gives back the pages that it does not need and the
/// stacks the tables of those that nobody uses. For callers that hold none of their locks.
#[inline]
pub fn add(count: u64) -> bool {
    try_add(count) || count <= LIMIT.load(Ordering::Relaxed) && try_hard(count)
}

#[cold]
#[inline(never)]
fn try_hard(count: u64) -> bool {
    DRAIN.try_get().inspect(|drain| drain());
    try_add(count)
}

/// Takes a promise back.
#[inline]
pub fn sub(count: u64) {
    let old = COMMITTED.fetch_sub(count, Ordering::Relaxed);
    debug_assert!(old >= count, "{count} of {old} promised frames taken back");
}

/// A promise of some frames, for as long as it lives.
pub struct Commit(u64);

impl Commit {
    /// No frames.
    pub const NONE: Commit = Commit(0);

    /// Promises so many frames.
    pub fn try_new(count: usize) -> Result<Commit, AllocError> {
        match add(count as u64) {
            true => Ok(Commit(count as u64)),
            false => Err(AllocError),
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        sub(self.0);
    }
}
