//! The panic handler: what happened, on which hart, how it came there; then the machine ends.

use super::backtrace;
use crate::arch::{csr, hart, sbi};
use crate::dev::{console, power};
use crate::{println, proc};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);
static FAULT_PC: AtomicUsize = AtomicUsize::new(0);
static FAULT_FP: AtomicUsize = AtomicUsize::new(0);

/// A trap in the kernel is about to panic: the backtrace is to begin where the trap came from.
pub fn set_panic_frame(pc: usize, frame_pointer: usize) {
    FAULT_PC.store(pc, Ordering::Relaxed);
    FAULT_FP.store(frame_pointer, Ordering::Relaxed);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    csr::irq_disable();
    if PANICKING.swap(true, Ordering::SeqCst) {
        // A panic within the panic, or of a second hart: the first one says all there is to say.
        let second = hart::this();
        sbi::put_byte(b'!');
        if FIRST_HART.load(Ordering::SeqCst) == second.index() {
            power::off_after_panic();
        }
        power::stop();
    }
    FIRST_HART.store(hart::this().index(), Ordering::SeqCst);
    console::panicked();
    println!("panic: {}", info.message());
    let fault = FAULT_PC.load(Ordering::Relaxed);
    match info.location() {
        _ if fault != 0 => println!("  pc {fault:#x}{}", crate::symbols::Place(fault)),
        Some(place) => println!("  at {}:{}", place.file(), place.line()),
        None => {}
    }
    match proc::try_current() {
        Some(process) => println!("  hart {}, pid {}", hart::this().id(), process.pid),
        None => println!("  hart {}, no process", hart::this().id()),
    }
    backtrace::print(fault, FAULT_FP.load(Ordering::Relaxed));
    power::off_after_panic()
}

static FIRST_HART: AtomicUsize = AtomicUsize::new(usize::MAX);
