//! Power-off and halt.

use crate::arch::{csr, sbi};
use crate::mm::device::Mmio;
use crate::platform::Platform;
use crate::sync::Once;
use core::sync::atomic::{AtomicBool, Ordering};

static TEST_DEVICE: Once<Mmio> = Once::new();
static HALT_ON_PANIC: AtomicBool = AtomicBool::new(false);

const FINISH_PASS: u32 = 0x5555;
const FINISH_FAIL: u32 = 0x3333;

/// Exit status of QEMU after a kernel panic.
const PANIC_STATUS: u8 = 101;
/// Exit status of QEMU if the kernel cannot start `/init`.
pub const BOOT_FAILED_STATUS: u8 = 102;

/// Maps QEMU's test device, which sets its exit status, if there is one.
pub fn init(platform: &Platform) {
    if let Some(registers) = platform.test_device
        && let Ok(mmio) = Mmio::map(&registers)
    {
        TEST_DEVICE.set(mmio);
    }
}

/// Makes a panic halt the machine instead of powering it off, to keep its console or for a debugger.
pub fn set_halt_on_panic() {
    HALT_ON_PANIC.store(true, Ordering::Relaxed);
}

/// Powers the machine off after a panic, or halts if [`set_halt_on_panic`] was called.
pub fn power_off_after_panic() -> ! {
    if HALT_ON_PANIC.load(Ordering::Relaxed) {
        halt();
    }
    power_off(PANIC_STATUS)
}

/// Halts this hart for ever.
pub fn halt() -> ! {
    csr::irq_disable();
    loop {
        csr::wait_for_interrupt();
    }
}

/// Powers the machine off; `status` becomes QEMU's exit status. Uses either the test device or the firmware, not
/// both: this hart runs on until QEMU handles the request, and the last request decides the status.
pub fn power_off(status: u8) -> ! {
    csr::irq_disable();
    if let Some(mmio) = TEST_DEVICE.try_get() {
        let word = if status == 0 {
            FINISH_PASS
        } else {
            u32::from(status) << 16 | FINISH_FAIL
        };
        mmio.write(0, word);
    } else {
        sbi::shutdown(status != 0);
    }
    halt()
}
