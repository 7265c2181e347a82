//! The serial port, a 16550: output by polling, input by interrupt.

use super::plic;
use crate::arch::sbi;
use crate::mm::device::Mmio;
use crate::platform::Platform;
use crate::sync::Once;
use core::hint;

struct Uart {
    mmio: Mmio,
    interrupt: u32,
}

static UART: Once<Uart> = Once::new();

const DATA: usize = 0;
const INTERRUPT_ENABLE: usize = 1;
const LINE_STATUS: usize = 5;

const ON_INPUT: u8 = 1;
const INPUT_READY: u8 = 1;
const OUTPUT_EMPTY: u8 = 1 << 5;

/// Maps the port and registers its interrupt handler. The firmware has set the baud rate and enabled the FIFOs;
/// doing it again would lose pending input.
pub fn init(platform: &Platform, on_input: fn()) {
    if let Some(registers) = platform.uart
        && let Ok(mmio) = Mmio::map(&registers)
    {
        UART.set(Uart {
            mmio,
            interrupt: registers.interrupt,
        });
        plic::register(registers.interrupt, on_input);
    }
}

/// Enables the receive interrupt, on this hart.
pub fn enable_input() {
    if let Some(uart) = UART.try_get() {
        uart.mmio.write(INTERRUPT_ENABLE, ON_INPUT);
        plic::enable(uart.interrupt);
    }
}

/// Disables or enables the receive interrupt. While throttled, input waits in the port's FIFO and at the sender.
pub fn set_throttled(throttled: bool) {
    if let Some(uart) = UART.try_get() {
        uart.mmio
            .write(INTERRUPT_ENABLE, if throttled { 0_u8 } else { ON_INPUT });
    }
}

/// The next byte of input, if there is one and `accept` returns true.
pub fn get(accept: impl FnOnce() -> bool) -> Option<u8> {
    let uart = UART.try_get()?;
    let ready = uart.mmio.read::<u8>(LINE_STATUS) & INPUT_READY != 0;
    (ready && accept()).then(|| uart.mmio.read(DATA))
}

/// Writes a byte; polls until the port accepts it.
pub fn put(byte: u8) {
    let Some(uart) = UART.try_get() else {
        return sbi::put_byte(byte);
    };
    while uart.mmio.read::<u8>(LINE_STATUS) & OUTPUT_EMPTY == 0 {
        hint::spin_loop();
    }
    uart.mmio.write(DATA, byte);
}
