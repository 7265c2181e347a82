//! Trap handling; `arch` has saved the registers.

use crate::arch::csr;
use crate::arch::hart;
use crate::arch::trap::{Cause, Trap, TrapFrame, clear_software_interrupt};
use crate::dev::plic;
use crate::inspect::state;
use crate::println;
use crate::proc::oom::{self, Relief};
use crate::proc::{self, Current, exit};
use crate::sched;
use crate::space::{self, Denied};
use crate::syscall;
use abi::{Event, KILLED};
use core::sync::atomic::Ordering;
use vm::Access;

/// A trap from user mode; returns to resume the process.
// SAFETY: nothing else has this symbol, and `arch` declares it with this type.
#[unsafe(no_mangle)]
fn trap_from_user(frame: &TrapFrame, trap: &Trap) {
    let process = proc::current();
    let fatal = match trap.cause {
        Cause::Syscall => {
            hart::note(Event::Call);
            csr::irq_enable();
            syscall::dispatch(&process, frame);
            false
        }
        Cause::PageFault(access) => {
            csr::irq_enable();
            user_fault(&process, trap, access)
        }
        Cause::IllegalInstruction if frame.float_state() == 0 => {
            // Probably the first floating point instruction; any other will trap again.
            process.thread().enable_fpu();
            false
        }
        Cause::Software | Cause::Timer | Cause::External => {
            interrupt(frame, trap.cause);
            false
        }
        Cause::IllegalInstruction | Cause::Other(_) => {
            csr::irq_enable();
            report(&process, trap);
            true
        }
    };
    csr::irq_disable();
    if hart::this().need_resched.load(Ordering::Relaxed) {
        sched::yield_now();
    }
    if let Some(status) = process.killed_with().or(fatal.then_some(KILLED)) {
        csr::irq_enable();
        exit::exit(status);
    }
}

/// Handles a page fault of a program; returns true if the process must die.
fn user_fault(process: &Current, trap: &Trap, access: Access) -> bool {
    match space::resolve(process.mm(), trap.value as u64, access) {
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

fn report(process: &Current, trap: &Trap) {
    let (pid, pc) = (process.pid, process.user_frame().pc());
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
            state::handle_ipi();
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

/// A trap in the kernel, except page faults of user copies.
// SAFETY: nothing else has this symbol, and `arch` declares it with this type.
#[unsafe(no_mangle)]
fn trap_from_kernel(frame: &TrapFrame, trap: &Trap) {
    match trap.cause {
        Cause::Software | Cause::Timer | Cause::External => interrupt(frame, trap.cause),
        _ => kernel_fault(frame, trap),
    }
    // Interrupts are enabled only while no spin lock is held, so the thread may be preempted.
    if hart::this().need_resched.load(Ordering::Relaxed) && !hart::this().current().is_null() {
        sched::yield_now();
    }
}

fn kernel_fault(frame: &TrapFrame, trap: &Trap) -> ! {
    debug_assert!(frame.is_kernel_mode());
    crate::debug::set_fault_frame(frame.pc(), frame.frame_pointer());
    panic!(
        "kernel fault: {} {:#x} (scause {:#x}, sp {:#x})",
        trap.description(),
        trap.value,
        trap.code,
        frame.sp()
    );
}

/// A page fault of a user copy; returns true to retry the access.
// SAFETY: nothing else has this symbol, and `arch` declares it with this type.
#[unsafe(no_mangle)]
fn trap_from_user_copy(address: u64, access: Access) -> bool {
    let Some(process) = proc::try_current() else {
        return false;
    };
    csr::irq_enable();
    let mut result = space::resolve(process.mm(), address, access);
    while result == Err(Denied::OutOfMemory) && oom::is_committed(&process) {
        result = space::resolve(process.mm(), address, access);
    }
    csr::irq_disable();
    if result == Err(Denied::OutOfMemory) {
        println!(
            "pid {} {}: out of memory in a system call",
            process.pid,
            process.name()
        );
    }
    result.is_ok()
}

/// A kernel stack overflow.
// SAFETY: nothing else has this symbol, and `arch` declares it with this type.
#[unsafe(no_mangle)]
fn trap_stack_overflow(pc: usize, sp: usize, frame_pointer: usize, address: usize) -> ! {
    crate::debug::set_fault_frame(pc, frame_pointer);
    panic!("kernel stack overflow: sp {sp:#x}, stval {address:#x}");
}
