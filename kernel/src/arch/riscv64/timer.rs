//! The clock: `time` counts up at a constant rate, a comparator interrupts.

use super::{csr, sbi};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static FREQUENCY: AtomicU64 = AtomicU64::new(10_000_000);
static HAS_SSTC: AtomicBool = AtomicBool::new(false);

/// Records what the device tree says: counts a second, and whether every hart has its own
/// comparator register (extension Sstc).
pub fn init(frequency: u64, sstc: bool) {
    FREQUENCY.store(frequency.max(1), Ordering::Relaxed);
    HAS_SSTC.store(sstc, Ordering::Relaxed);
}

/// Counts since the machine was switched on.
#[inline]
pub fn now() -> u64 {
    csr::time::read() as u64
}

/// Counts a second.
pub fn frequency() -> u64 {
    FREQUENCY.load(Ordering::Relaxed)
}

/// Lets the host run something else than this hart for about a 20,000th of a second, or until there is
/// an interrupt. Interrupts are off. The clock's interrupt comes early for it, and its handler sets the
/// next one.
pub fn pause() {
    set(now() + frequency() / 20_000);
    csr::wait_for_interrupt();
}

/// Asks for one interrupt on this hart at `time`, in place of the one asked for before.
pub fn set(time: u64) {
    if HAS_SSTC.load(Ordering::Relaxed) {
        // SAFETY: the comparator only says when the timer interrupt comes.
        unsafe { csr::stimecmp::write(time as usize) };
    } else {
        sbi::set_timer(time);
    }
}
