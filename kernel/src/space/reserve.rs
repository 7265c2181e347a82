//! All reservations for large pages. Their unused frames count as free, and go back before anything else
//! when memory ends.

use crate::sync::{SpinLock, rank};
use frames::Pfn;
use vm::Reservations;

static ALL: SpinLock<Reservations, { rank::RESERVE }> = SpinLock::new(Reservations::new());

/// Does something with the list; it asks for no memory.
pub fn with<R>(act: impl FnOnce(&mut Reservations) -> R) -> R {
    act(&mut ALL.lock())
}

/// Frames that are reserved: free memory that is not the allocator's at the moment.
pub fn count() -> usize {
    ALL.lock().frames()
}

/// Gives all of it back; how many frames.
pub fn give_back(release: impl FnMut(Pfn)) -> usize {
    // Whoever holds the lock asks nobody for memory, so it is another hart, and not for long.
    ALL.lock().give_back(release)
}
