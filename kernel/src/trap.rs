//! What the kernel does on a trap; `arch` has saved the registers.

use crate::arch::csr::{self, SSTATUS_SPP};
use crate::arch::hart;
use crate::arch::trap::{Cause, Trap, TrapFrame, clear_software_interrupt};
use crate::debug::state;
use crate::dev::plic;
use crate::mm::{self, Denied};
use crate::println;
use crate::proc::oom::{self, Relief};
use crate::proc::{Process, exit, sched};
use crate::syscall;
use abi::{Event, KILLED};
use vm::Access;

/// A trap from user mode; returns when the process goes on.
pub fn from_user(trap: &Trap) {
    let process = sched::current();
    let killed = match trap.cause {
        Cause::Call => {
            hart::note(Event::Call);
            csr::interrupts_on();
            syscall::dispatch(&process);
            false
        }
        Cause::PageFault(access) => {
            csr::interrupts_on();
            user_fault(&process, trap, access)
        }
        Cause::IllegalInstruction if process.frame().float_state() == 0 => {
            // Perhaps the first floating point instruction; any other traps again.
            sched::enable_floats(&process);
            false
        }
        Cause::Software | Cause::Timer | Cause::External => {
            interrupt(process.frame(), trap.cause);
            false
        }
        Cause::IllegalInstruction | Cause::Other(_) => {
            csr::interrupts_on();
            report(&process, trap);
            true
        }
    };
    csr::interrupts_off();
    if hart::this().expired.get() {
        sched::yield_now();
    }
    if let Some(status) = process.killed_with().or(killed.then_some(KILLED)) {
        csr::interrupts_on();
        exit::exit(status);
    }
}

/// A fault of a program: true if that ends it.
fn user_fault(process: &Process, trap: &Trap, access: Access) -> bool {
    match mm::resolve(process, trap.value as u64, access) {
        Ok(()) => false,
        Err(Denied::Refused) => {
            report(process, trap);
            true
        }
        Err(Denied::OutOfMemory) => oom::relieve(process) == Relief::Die,
        Err(Denied::Io) => {
            println!("pid {} {}: disk error, killed", process.pid, process.name());
            true
        }
    }
}

fn report(process: &Process, trap: &Trap) {
    let (pid, pc) = (process.pid, process.frame().pc);
    println!(
        "usertrap(): unexpected scause {:#018x} pid={pid}\n            sepc={:#018x} stval={:#018x}",
        trap.code, pc, trap.value
    );
}

fn interrupt(frame: &TrapFrame, cause: Cause) {
    hart::this().interrupted.set(frame);
    match cause {
        Cause::Software => {
            hart::note(Event::Hart);
            clear_software_interrupt();
            state::answer();
        }
        Cause::Timer => {
            hart::note(Event::Timer);
            sched::tick();
        }
        _ => {
            hart::note(Event::Device);
            plic::handle_pending();
        }
    }
}

/// A trap in the kernel, other than one from the user copies.
pub fn from_kernel(frame: &mut TrapFrame, trap: &Trap) {
    match trap.cause {
        Cause::Software | Cause::Timer | Cause::External => interrupt(frame, trap.cause),
        _ => kernel_fault(frame, trap),
    }
    // Interrupts come through only where no spin lock is held, so the process may be preempted.
    if hart::this().expired.get() && !hart::this().current().is_null() {
        sched::yield_now();
    }
}

fn kernel_fault(frame: &TrapFrame, trap: &Trap) -> ! {
    debug_assert!(frame.status & SSTATUS_SPP != 0);
    crate::debug::set_panic_frame(frame.pc, frame.frame_pointer());
    panic!(
        "kernel fault: {} {:#x} (scause {:#x}, sp {:#x})",
        trap.deed(),
        trap.value,
        trap.code,
        frame.sp()
    );
}

/// A fault of the kernel's user copies: true if the access may be tried again.
pub fn user_copy_fault(address: u64, access: Access) -> bool {
    let Some(process) = sched::try_current() else {
        return false;
    };
    csr::interrupts_on();
    let mut mended = mm::resolve(&process, address, access);
    while mended == Err(Denied::OutOfMemory) && oom::is_promised(&process) {
        mended = mm::resolve(&process, address, access);
    }
    csr::interrupts_off();
    if mended == Err(Denied::OutOfMemory) {
        println!(
            "pid {} {}: out of memory in a system call",
            process.pid,
            process.name()
        );
    }
    mended.is_ok()
}
