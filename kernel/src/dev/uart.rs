//! The serial port, a 16550: output by polling, input by interrupt.

use super::plic;
use crate::arch::sbi;
use crate::mm::device::Window;
use crate::platform::Platform;
use crate::sync::Once;
use core::hint;

struct Uart {
    window: Window,
    interrupt: u32,
}

static UART: Once<Uart> = Once::new();

const DATA: usize = 0;
const INTERRUPT_ENABLE: usize = 1;
const LINE_STATUS: usize = 5;

const ON_INPUT: u8 = 1;
const INPUT_READY: u8 = 1;
const OUTPUT_EMPTY: u8 = 1 << 5;

/// Takes the port into use, with `on_input` to be called when there is input. The firmware has set the speed
/// and turned the FIFOs on; to do so again would lose input that is waiting.
pub fn init(platform: &Platform, on_input: fn()) {
    if let Some(registers) = platform.uart
        && let Ok(window) = Window::map(&registers)
    {
        UART.set(Uart {
            window,
            interrupt: registers.interrupt,
        });
        plic::register(registers.interrupt, on_input);
    }
}

/// Lets the port interrupt this hart when there is input.
pub fn enable_input() {
    if let Some(uart) = UART.try_get() {
        uart.window.write(INTERRUPT_ENABLE, ON_INPUT);
        plic::enable(uart.interrupt);
    }
}

/// Stops interrupts for input, or lets them come again; what is typed meanwhile waits in the port and
/// in the line behind it.
pub fn hold_input(hold: bool) {
    if let Some(uart) = UART.try_get() {
        uart.window
            .write(INTERRUPT_ENABLE, if hold { 0_u8 } else { ON_INPUT });
    }
}

/// The next byte of input, if there is one and `wanted` says that it may be taken.
pub fn get(wanted: impl FnOnce() -> bool) -> Option<u8> {
    let uart = UART.try_get()?;
    let ready = uart.window.read::<u8>(LINE_STATUS) & INPUT_READY != 0;
    (ready && wanted()).then(|| uart.window.read(DATA))
}

/// Puts one byte out, waiting until the port takes it.
pub fn put(byte: u8) {
    let Some(uart) = UART.try_get() else {
        return sbi::put_byte(byte);
    };
    while uart.window.read::<u8>(LINE_STATUS) & OUTPUT_EMPTY == 0 {
        hint::spin_loop();
    }
    uart.window.write(DATA, byte);
}
