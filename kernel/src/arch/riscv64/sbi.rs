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

/// Whether the firmware flushes the TLBs of other harts.
pub fn has_remote_fence() -> bool {
    sbi_rt::probe_extension(sbi_rt::Fence).is_available()
}

/// Flushes the translations of `size` bytes at `start` from the TLBs of other harts, given by the firmware's
/// numbers, under any ASID; of all addresses where `size` is `usize::MAX`. They have been flushed when it
/// returns. The firmware interrupts them even where their interrupts are off.
///
/// # Panics
/// If the firmware refuses: somebody would go on in memory that is not theirs.
#[inline(never)]
pub fn remote_fence(harts: &mut dyn Iterator<Item = usize>, start: usize, size: usize) {
    let fence = |(base, mask): (usize, usize)| {
        let done = sbi_rt::remote_sfence_vma(HartMask::from_mask_base(mask, base), start, size);
        assert!(done.is_ok(), "the firmware did not flush other harts");
    };
    // One call for as many as fit into a mask.
    let mut next: Option<(usize, usize)> = None;
    for id in harts {
        let bit = |base: usize| {
            id.checked_sub(base)
                .filter(|&bit| bit < usize::BITS as usize)
        };
        next = match next {
            Some((base, mask)) if let Some(bit) = bit(base) => Some((base, mask | 1 << bit)),
            full => {
                full.map(fence);
                Some((id, 1))
            }
        };
    }
    next.map(fence);
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
