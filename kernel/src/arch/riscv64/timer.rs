//! The timer: `time` counts up at a constant rate, and a comparator interrupts.

use super::{csr, sbi};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static FREQUENCY: AtomicU64 = AtomicU64::new(10_000_000);
static HAS_SSTC: AtomicBool = AtomicBool::new(false);

/// Sets the frequency of `time` in Hz, and whether every hart has its own comparator register (extension
/// Sstc), as the device tree has them.
pub fn init(frequency: u64, sstc: bool) {
    FREQUENCY.store(frequency.max(1), Ordering::Relaxed);
    HAS_SSTC.store(sstc, Ordering::Relaxed);
}

/// The value of `time`, in ticks of [`frequency`].
#[inline]
pub fn now() -> u64 {
    csr::time::read() as u64
}

/// Frequency of `time` in Hz.
pub fn frequency() -> u64 {
    FREQUENCY.load(Ordering::Relaxed)
}

/// Idles for about 50 µs, or until there is an interrupt, so that a hypervisor can run other harts. Interrupts
/// are disabled. This makes the next timer interrupt early; its handler programs the one after.
pub fn pause() {
    set(now() + frequency() / 20_000);
    csr::wait_for_interrupt();
}

/// Programs this hart's next timer interrupt, replacing the one programmed before.
pub fn set(time: u64) {
    if HAS_SSTC.load(Ordering::Relaxed) {
        // SAFETY: the register only sets the time of the next timer interrupt.
        unsafe { csr::stimecmp::write(time as usize) };
    } else {
        sbi::set_timer(time);
    }
}
