//! What the firmware does for the kernel (SBI specification).

use sbi_rt::{HartMask, Shutdown, SystemFailure};

/// Lets a stopped hart begin at a physical address, with `opaque` in `a1`; false if it refuses.
pub(super) fn start_hart(id: usize, entry: u64, opaque: usize) -> bool {
    sbi_rt::hart_start(id, entry as usize, opaque).is_ok()
}

/// Interrupts one hart.
pub fn send_interrupt(id: usize) {
    let _ = sbi_rt::send_ipi(HartMask::from_mask_base(1, id));
}

/// Sets the time of the next timer interrupt.
pub fn set_timer(time: u64) {
    let _ = sbi_rt::set_timer(time);
}

/// Makes other harts forget the translations of `size` bytes at `start`.
pub fn remote_fence(mask: usize, base: usize, start: usize, size: usize) {
    let _ = sbi_rt::remote_sfence_vma(HartMask::from_mask_base(mask, base), start, size);
}

/// Ends the machine. The firmware's interface has no exit status, only "failure".
pub fn shutdown(failed: bool) {
    if failed {
        let _ = sbi_rt::system_reset(Shutdown, SystemFailure);
    } else {
        let _ = sbi_rt::system_reset(Shutdown, sbi_rt::NoReason);
    }
}

/// Prints one byte on the firmware's console, for the time before the kernel has its own.
pub fn put_byte(byte: u8) {
    #[allow(deprecated)]
    let _ = sbi_rt::legacy::console_putchar(usize::from(byte));
}
