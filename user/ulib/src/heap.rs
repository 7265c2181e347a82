//! The global allocator: talc on memory from `sbrk`, which grows on demand.
//!
//! An allocation that the kernel refuses ends the program with a panic message.

use crate::sys;
use abi::PAGE_SIZE;
use core::alloc::Layout;
use core::ptr::NonNull;
use talc::TalcCell;
use talc::base::{CHUNK_UNIT, Talc, binning::Binning, binning::DefaultBinning};
use talc::cell::TalcSyncCell;
use talc::source::Source;

/// Grows the heap at the break. If something else moved the break meanwhile, a new, separate heap
/// starts there.
#[derive(Debug)]
struct Break {
    /// The end of the newest heap.
    end: Option<NonNull<u8>>,
}

/// Least growth in bytes. Untouched pages cost nothing.
const STEP: usize = 16 * PAGE_SIZE;

// SAFETY: only the `Talc` that is handed in is used, and `sbrk` allocates nothing here.
unsafe impl Source for Break {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let first = talc::min_first_heap_size::<B>();
        let wanted = layout
            .size()
            .checked_add(layout.align())
            .and_then(|n| n.checked_add(first + 4 * CHUNK_UNIT))
            .and_then(|n| n.checked_next_multiple_of(STEP))
            .filter(|&n| n <= isize::MAX as usize)
            .ok_or(())?;
        // SAFETY: growing takes nothing away.
        let base = unsafe { sys::sbrk(wanted as isize) };
        if base == -1 {
            return Err(());
        }
        let base = base as usize as *mut u8;
        let end = base.wrapping_add(wanted);
        // A heap's end is rounded down to a chunk, so the old end lies just below the new memory.
        let joins = talc.source.end.take().filter(|old| {
            let gap = (base as usize).wrapping_sub(old.as_ptr() as usize);
            gap < CHUNK_UNIT
        });
        talc.source.end = match joins {
            // SAFETY: the kernel just gave the bytes up to `end`; the gap below was given before.
            Some(old) => Some(unsafe { talc.extend(old, end) }),
            // SAFETY: the kernel just gave these bytes and nobody else has them.
            None => Some(unsafe { talc.claim(base, wanted) }.ok_or(())?),
        };
        Ok(())
    }
}

#[global_allocator]
// SAFETY: a program has one thread and no signal handlers.
static HEAP: TalcSyncCell<Break, DefaultBinning> =
    unsafe { TalcSyncCell::new(TalcCell::new(Break { end: None })) };
