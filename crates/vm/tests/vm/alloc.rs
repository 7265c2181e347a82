//! The tests' global allocator: the system's, which on request fails the nth allocation of this
//! thread. That is how records are made to run out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTDOWN: Cell<Option<usize>> = const { Cell::new(None) };
    static FIRED: Cell<bool> = const { Cell::new(false) };
    static ALWAYS: Cell<bool> = const { Cell::new(false) };
}

/// Least size of a record of the crate's. What the tests' machine allocates for itself is smaller.
const RECORD: usize = 64;

struct Failing;

#[global_allocator]
static ALLOCATOR: Failing = Failing;

// SAFETY: every call goes to the system allocator unchanged, or returns null, which is allowed.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ALWAYS.get() && layout.size() >= RECORD {
            FIRED.set(true);
            return std::ptr::null_mut();
        }
        if let Some(left) = COUNTDOWN.get() {
            COUNTDOWN.set(left.checked_sub(1));
            if left == 0 {
                FIRED.set(true);
                return std::ptr::null_mut();
            }
        }
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; all memory came from the system allocator.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Runs `work` with the allocation after the next `skip` failing; tells whether one did.
pub(crate) fn failing_after<R>(skip: usize, work: impl FnOnce() -> R) -> (R, bool) {
    FIRED.set(false);
    COUNTDOWN.set(Some(skip));
    let result = work();
    COUNTDOWN.set(None);
    (result, FIRED.get())
}

/// Runs `work` with every allocation of a record failing; tells whether one did.
pub(crate) fn always_failing<R>(work: impl FnOnce() -> R) -> (R, bool) {
    FIRED.set(false);
    ALWAYS.set(true);
    let result = work();
    ALWAYS.set(false);
    (result, FIRED.get())
}
