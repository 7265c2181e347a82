//! Programming of this hart's timer: the end of the running thread's time slice, or the first timeout if that
//! is earlier.

use crate::arch::timer;
use core::sync::atomic::{AtomicU64, Ordering};

/// Time slice of a thread, in milliseconds.
const QUANTUM_MS: u64 = 10;

/// The earliest timeout of a thread.
pub static NEXT_DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);

/// Programs the timer for a new time slice.
pub fn start_quantum() {
    let quantum = timer::now() + timer::frequency() * QUANTUM_MS / 1000;
    timer::set(quantum.min(NEXT_DEADLINE.load(Ordering::Relaxed)));
}

/// Programs the timer for an idle hart: only a timeout needs it.
pub fn start_idle() {
    timer::set(NEXT_DEADLINE.load(Ordering::SeqCst));
}
