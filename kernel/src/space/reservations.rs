//! The list of all superpage reservations. Their unclaimed frames count as free, and are reclaimed first.

use crate::sync::{SpinLock, rank};
use frames::Pfn;
use vm::Reservations;

static ALL: SpinLock<Reservations, { rank::RESERVE }> = SpinLock::new(Reservations::new());

/// Calls `act` with the locked list; `act` does not allocate.
pub fn with<R>(act: impl FnOnce(&mut Reservations) -> R) -> R {
    act(&mut ALL.lock())
}

/// Unclaimed frames: free memory that the allocator does not have.
pub fn count() -> usize {
    ALL.lock().frames()
}

/// Frees all unclaimed frames; returns how many.
pub fn reclaim(release: impl FnMut(Pfn)) -> usize {
    // The holder of the lock does not allocate, so it is another hart, and not for long.
    ALL.lock().reclaim(release)
}
