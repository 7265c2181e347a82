//! Switching the machine off.

use crate::arch::{csr, sbi};
use crate::mm::device::Window;
use crate::platform::Platform;
use crate::sync::Once;
use core::sync::atomic::{AtomicBool, Ordering};

static TEST_DEVICE: Once<Window> = Once::new();
static STAYS_ON: AtomicBool = AtomicBool::new(false);

const FINISH_PASS: u32 = 0x5555;
const FINISH_FAIL: u32 = 0x3333;

/// Exit status of QEMU after a kernel panic.
const PANIC_STATUS: u8 = 101;
/// That of a machine whose disk has nothing that can be started.
pub const CANNOT_START: u8 = 102;

/// Maps the device with which QEMU's exit status can be chosen, where there is one.
pub fn init(platform: &Platform) {
    if let Some(registers) = platform.test_device
        && let Ok(window) = Window::map(&registers)
    {
        TEST_DEVICE.set(window);
    }
}

/// From now on the machine stands still after a panic instead of ending: for whoever reads its
/// console, or a script that wants to be the one to end it.
pub fn stay_on_after_panic() {
    STAYS_ON.store(true, Ordering::Relaxed);
}

/// Ends the machine after a panic, or stops this hart.
pub fn off_after_panic() -> ! {
    if STAYS_ON.load(Ordering::Relaxed) {
        stop();
    }
    off(PANIC_STATUS)
}

/// This hart does nothing any more.
pub fn stop() -> ! {
    csr::irq_disable();
    loop {
        csr::wait_for_interrupt();
    }
}

/// Ends the machine; under QEMU, `status` becomes its exit status. Where the device is, the firmware is not
/// asked as well: this hart runs on until QEMU looks, and the last to ask decides the status.
pub fn off(status: u8) -> ! {
    csr::irq_disable();
    if let Some(window) = TEST_DEVICE.try_get() {
        let word = if status == 0 {
            FINISH_PASS
        } else {
            u32::from(status) << 16 | FINISH_FAIL
        };
        window.write(0, word);
    } else {
        sbi::shutdown(status != 0);
    }
    stop()
}
