//! Commit accounting: frames that address spaces may come to use (`vm`'s `commit.rs`), that mapped files pin, and
//! that the kernel uses and cannot reclaim.
//!
//! With strict accounting the sum never exceeds the frames of the machine. Then a page fault always gets a frame,
//! after reclaim at the latest, and a call that would exceed the limit fails: Linux's
//! `vm.overcommit_memory=2`, but including page tables and kernel memory. Otherwise commitments are only counted.

use super::ram::frames;
use crate::sync::Once;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fallible::AllocError;

static COMMITTED: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
/// Frees kernel memory that is committed but not needed.
static DRAIN: Once<fn()> = Once::new();
static STRICT: AtomicBool = AtomicBool::new(false);

/// Turns strict accounting on or off; at boot, before the first program.
pub fn set_strict(strict: bool) {
    STRICT.store(strict, Ordering::Relaxed);
}

/// Whether accounting is strict.
pub fn is_strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Sets the limit, before the first program: frames free now plus frames committed already.
pub fn init() {
    if is_strict() {
        frames().shrink_all();
        let committed = committed();
        let free = frames().stats().free;
        LIMIT.store(committed + free as u64, Ordering::Relaxed);
    }
}

/// Committed frames.
pub fn committed() -> u64 {
    COMMITTED.load(Ordering::Relaxed)
}

/// The limit on committed frames, if accounting is strict.
pub fn limit() -> Option<u64> {
    is_strict().then(|| LIMIT.load(Ordering::Relaxed))
}

/// Commits frames; returns false, with nothing done, beyond the limit.
#[inline]
pub fn try_add(count: u64) -> bool {
    let limit = LIMIT.load(Ordering::Relaxed);
    // No add and undo: a sum above the limit would make concurrent callers fail.
    let within = |old: u64| old.checked_add(count).filter(|&new| new <= limit);
    COMMITTED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
        .is_ok()
}

/// Sets the function that frees committed kernel memory that is not needed, called at the limit.
pub fn on_shortage(drain: fn()) {
    DRAIN.set(drain);
}

/// As [`try_add`], but at the limit first drains kmalloc and the cached stacks. The caller holds none of their
/// locks.
#[inline]
pub fn add(count: u64) -> bool {
    try_add(count) || count <= LIMIT.load(Ordering::Relaxed) && drain_and_add(count)
}

#[cold]
#[inline(never)]
fn drain_and_add(count: u64) -> bool {
    DRAIN.try_get().inspect(|drain| drain());
    try_add(count)
}

/// Uncommits frames.
#[inline]
pub fn sub(count: u64) {
    let old = COMMITTED.fetch_sub(count, Ordering::Relaxed);
    debug_assert!(
        old >= count,
        "{count} of {old} committed frames uncommitted"
    );
}

/// A commitment of frames; dropping it uncommits them.
pub struct Commit(u64);

impl Commit {
    /// No frames.
    pub const NONE: Commit = Commit(0);

    /// Commits `count` frames.
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
