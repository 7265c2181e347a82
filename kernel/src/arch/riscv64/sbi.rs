//! Calls of the firmware (SBI specification).

use sbi_rt::{HartMask, Shutdown, SystemFailure};

/// Starts a stopped hart at a physical address, with `opaque` in `a1`; returns false on an error.
pub(super) fn start_hart(id: usize, entry: u64, opaque: usize) -> bool {
    sbi_rt::hart_start(id, entry as usize, opaque).is_ok()
}

/// Sends an inter-processor interrupt to the hart with this hart ID.
pub fn send_interrupt(id: usize) {
    let _ = sbi_rt::send_ipi(HartMask::from_mask_base(1, id));
}

/// Sets the time of the next timer interrupt.
pub fn set_timer(time: u64) {
    let _ = sbi_rt::set_timer(time);
}

/// Whether the firmware has remote fences (the RFENCE extension).
pub fn has_remote_fence() -> bool {
    sbi_rt::probe_extension(sbi_rt::Fence).is_available()
}

/// Flushes the translations of `size` bytes at `start`, under any ASID, from the TLBs of the harts with these
/// hart IDs; all translations if `size` is `usize::MAX`. Returns when all have flushed. The firmware interrupts
/// them in M-mode, even with their S-mode interrupts disabled.
///
/// # Panics
/// If the firmware returns an error: a hart would keep using freed memory.
#[inline(never)]
pub fn remote_fence(harts: &mut dyn Iterator<Item = usize>, start: usize, size: usize) {
    let fence = |(base, mask): (usize, usize)| {
        let done = sbi_rt::remote_sfence_vma(HartMask::from_mask_base(mask, base), start, size);
        assert!(done.is_ok(), "the firmware did not flush other harts");
    };
    // One call for each mask of up to 64 harts.
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

/// Powers the machine off. SBI has no exit status, only a failure flag.
pub fn shutdown(failed: bool) {
    if failed {
        let _ = sbi_rt::system_reset(Shutdown, SystemFailure);
    } else {
        let _ = sbi_rt::system_reset(Shutdown, sbi_rt::NoReason);
    }
}

/// Prints a byte on the firmware's console, for early boot.
pub fn put_byte(byte: u8) {
    #[allow(deprecated)]
    let _ = sbi_rt::legacy::console_putchar(usize::from(byte));
}
