//! The platform-level interrupt controller: each device interrupt is claimed by one hart (RISC-V PLIC
//! specification).

use crate::arch::hart;
use crate::mm::device::Mmio;
use crate::platform::Platform;
use crate::sync::Once;

static MMIO: Once<Mmio> = Once::new();

const PRIORITY: usize = 0;
const ENABLE: usize = 0x2000;
const ENABLE_STRIDE: usize = 0x80;
const CONTEXT: usize = 0x20_0000;
const CONTEXT_STRIDE: usize = 0x1000;
const THRESHOLD: usize = 0;
const CLAIM: usize = 4;

/// This hart's supervisor context. On QEMU's `virt` and similar boards, hart `n` has contexts 2n (machine)
/// and 2n + 1 (supervisor).
fn context() -> usize {
    2 * hart::this().id() + 1
}

fn write(offset: usize, value: u32) {
    MMIO.get().write(offset, value);
}

fn read(offset: usize) -> u32 {
    MMIO.get().read(offset)
}

/// Maps the controller.
///
/// # Panics
/// If the device tree has none, or if there is no memory.
pub fn init(platform: &Platform) {
    let Some(registers) = platform.plic else {
        panic!("no interrupt controller")
    };
    match Mmio::map(&registers) {
        Ok(mmio) => MMIO.set(mmio),
        Err(_) => panic!("no memory to map the interrupt controller"),
    }
}

/// Enables an interrupt for this hart; does nothing for number 0.
pub fn enable(interrupt: u32) {
    if interrupt == 0 {
        return;
    }
    write(PRIORITY + 4 * interrupt as usize, 1);
    let word = ENABLE + context() * ENABLE_STRIDE + (interrupt as usize / 32) * 4;
    write(word, read(word) | 1 << (interrupt % 32));
    write(CONTEXT + context() * CONTEXT_STRIDE + THRESHOLD, 0);
}

/// An interrupt number and its handler.
type Handler = (u32, fn());

/// Registered handlers.
static HANDLERS: [Once<Handler>; 8] = [const { Once::new() }; 8];

/// Registers the handler of an interrupt. Called at boot, on one hart.
///
/// # Panics
/// If there are too many.
pub fn register(interrupt: u32, handler: fn()) {
    match HANDLERS.iter().find(|place| place.try_get().is_none()) {
        Some(place) => place.set((interrupt, handler)),
        None => panic!("more than {} devices", HANDLERS.len()),
    }
}

fn handler(interrupt: u32) -> Option<fn()> {
    let handlers = HANDLERS.iter().filter_map(Once::try_get);
    let mut wanted = handlers.filter(|(number, _)| *number == interrupt);
    wanted.next().map(|(_, handler)| *handler)
}

/// Claims and handles this hart's pending interrupts.
pub fn handle_pending() {
    let claim = CONTEXT + context() * CONTEXT_STRIDE + CLAIM;
    loop {
        let interrupt = read(claim);
        if interrupt == 0 {
            return;
        }
        if let Some(handle) = handler(interrupt) {
            handle();
        }
        write(claim, interrupt);
    }
}
