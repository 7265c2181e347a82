//! When the clock is to interrupt this hart: at the end of the running thread's share, or for the first
//! sleeper.

use crate::arch::timer;
use core::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds that a thread runs before the next one gets its turn.
const QUANTUM_MS: u64 = 10;

/// Deadline of the first sleeper.
pub static NEXT_DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);

/// A thread begins its share.
pub fn start_quantum() {
    let quantum = timer::now() + timer::frequency() * QUANTUM_MS / 1000;
    timer::set(quantum.min(NEXT_DEADLINE.load(Ordering::Relaxed)));
}

/// Nothing runs here: only a sleeper needs the clock.
pub fn start_idling() {
    timer::set(NEXT_DEADLINE.load(Ordering::SeqCst));
}
