//! The frames set aside for memory that may become large pages. They count as free, and go back
//! before anything else when memory ends.

use crate::sync::{SpinLock, rank};
use core::ops::Range;
use frames::Pfn;
use vm::{Machine, Placed, Reserve};

static ASIDE: SpinLock<Reserve, { rank::RESERVE }> = SpinLock::new(Reserve::new());

/// Frames that are set aside: free memory that is not the allocator's at the moment.
pub fn count() -> usize {
    ASIDE.lock().frames()
}

/// A frame for an address of the space with this root, at its place in a block.
pub fn take(machine: &impl Machine, root: Pfn, addr: u64) -> Option<Placed> {
    ASIDE.lock().take(machine, root, addr)
}

/// Gives up what is set aside for these addresses.
pub fn close(machine: &impl Machine, root: Pfn, range: &Range<u64>) {
    ASIDE.lock().close(machine, root, range);
}

/// Gives all of it back; how many frames.
pub fn give_back(machine: &impl Machine) -> usize {
    // Whoever holds the lock asks nobody for memory, so it is another hart, and not for long.
    ASIDE.lock().give_back(machine)
}
