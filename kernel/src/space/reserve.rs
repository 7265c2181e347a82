//! The frames set aside for memory that may become large pages. They count as free, and go back
//! before anything else when memory ends.

use super::machine::Machine;
use crate::mm::ram::frames;
use crate::sync::{SpinLock, rank};
use core::ops::Range;
use frames::{Pfn, Shrinker};
use vm::{Placed, Reserve};

static ASIDE: SpinLock<Reserve, { rank::RESERVE }> = SpinLock::new(Reserve::new());

struct Aside;

static SHRINKER: Aside = Aside;

impl Shrinker for Aside {
    /// Waits for the lock, or an allocation would fail while free memory lies here: whoever holds it
    /// asks nobody for memory, so it is another hart, and not for long.
    fn shrink(&self, _wanted: usize) -> usize {
        ASIDE.lock().give_back(&Machine)
    }

    /// Nothing: they are counted as free.
    fn reclaimable(&self) -> usize {
        0
    }
}

/// Lets the allocator ask for the frames back.
pub fn init() {
    frames().register_shrinker(&SHRINKER);
}

/// Frames that are set aside: free memory that is not the allocator's at the moment.
pub fn count() -> usize {
    ASIDE.lock().frames()
}

pub fn take(space: Pfn, addr: u64) -> Option<Placed> {
    ASIDE.lock().take(&Machine, space, addr)
}

pub fn close(space: Pfn, range: &Range<u64>) {
    ASIDE.lock().close(&Machine, space, range);
}
