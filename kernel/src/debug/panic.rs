//! The panic handler: prints message, hart, process and backtrace, and powers the machine off.

use super::backtrace;
use crate::arch::{csr, hart, sbi};
use crate::dev::{console, power};
use crate::{println, proc};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);
static FAULT_PC: AtomicUsize = AtomicUsize::new(0);
static FAULT_FP: AtomicUsize = AtomicUsize::new(0);

/// Makes the backtrace of the coming panic start at the fault that causes it.
pub fn set_fault_frame(pc: usize, frame_pointer: usize) {
    FAULT_PC.store(pc, Ordering::Relaxed);
    FAULT_FP.store(frame_pointer, Ordering::Relaxed);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    csr::irq_disable();
    if PANICKING.swap(true, Ordering::SeqCst) {
        // A panic while panicking, or of a second hart: only the first is reported.
        let second = hart::this();
        sbi::put_byte(b'!');
        if PANIC_HART.load(Ordering::SeqCst) == second.index() {
            power::power_off_after_panic();
        }
        power::halt();
    }
    PANIC_HART.store(hart::this().index(), Ordering::SeqCst);
    console::enter_panic();
    println!("panic: {}", info.message());
    let fault = FAULT_PC.load(Ordering::Relaxed);
    match info.location() {
        _ if fault != 0 => println!("  pc {fault:#x}{}", crate::symbols::Symbol(fault)),
        Some(place) => println!("  at {}:{}", place.file(), place.line()),
        None => {}
    }
    match proc::try_current() {
        Some(process) => println!("  hart {}, pid {}", hart::this().id(), process.pid),
        None => println!("  hart {}, no process", hart::this().id()),
    }
    backtrace::print(fault, FAULT_FP.load(Ordering::Relaxed));
    power::power_off_after_panic()
}

static PANIC_HART: AtomicUsize = AtomicUsize::new(usize::MAX);
