//! What the kernel does on a trap; `arch` has saved the registers.

use crate::arch::csr::{self, SSTATUS_SPP};
use crate::arch::hart;
use crate::arch::trap::{Cause, Trap, TrapFrame, clear_software_interrupt};
use crate::dev::plic;
use crate::mm::{self, Denied};
use crate::println;
use crate::proc::{exit, sched};
use crate::syscall;
use abi::KILLED;
use vm::Access;

/// A trap from user mode; returns when the process goes on.
pub fn from_user(frame: &mut TrapFrame, trap: &Trap) {
    let killed = match trap.cause {
        Cause::Call => {
            csr::interrupts_on();
            frame.pc += 4;
            syscall::dispatch(frame);
            false
        }
        Cause::PageFault(access) => {
            csr::interrupts_on();
            user_fault(frame, trap, access)
        }
        Cause::IllegalInstruction if frame.float_state() == 0 && is_float(frame.pc as u64) => {
            sched::enable_floats(&sched::current());
            false
        }
        Cause::Software | Cause::Timer | Cause::External => {
            interrupt(trap.cause);
            false
        }
        Cause::IllegalInstruction | Cause::Other(_) => {
            csr::interrupts_on();
            report(frame, trap);
            true
        }
    };
    if killed || sched::current().is_killed() {
        csr::interrupts_on();
        exit::exit(KILLED);
    }
    csr::interrupts_off();
    if hart::this().expired.get() {
        sched::yield_now();
        csr::interrupts_off();
    }
}

/// A fault of a program: true if that ends it.
fn user_fault(frame: &TrapFrame, trap: &Trap, access: Access) -> bool {
    let process = sched::current();
    match mm::resolve(&process, trap.value as u64, access) {
        Ok(()) => false,
        Err(Denied::Refused) => {
            report(frame, trap);
            true
        }
        Err(Denied::OutOfMemory) => {
            let pages = process
                .space
                .lock()
                .as_ref()
                .map_or(0, |space| space.stats().resident);
            let (pid, name) = (process.pid, process.name());
            println!("pid {pid} {name}: out of memory, killed with {pages} pages");
            true
        }
        Err(Denied::Io) => {
            println!("pid {} {}: disk error, killed", process.pid, process.name());
            true
        }
    }
}

fn report(frame: &TrapFrame, trap: &Trap) {
    let pid = sched::current().pid;
    println!(
        "usertrap(): unexpected scause {:#018x} pid={pid}\n            sepc={:#018x} stval={:#018x}",
        trap.code, frame.pc, trap.value
    );
}

/// True if the instruction at `pc` is one of the floating point extensions.
fn is_float(pc: u64) -> bool {
    const LOAD_FP: u32 = 0x07;
    const STORE_FP: u32 = 0x27;
    const OP_FP: u32 = 0x53;
    const FUSED: core::ops::RangeInclusive<u32> = 0x43..=0x4f;
    const SYSTEM: u32 = 0x73;
    csr::interrupts_on();
    let low = mm::user::read_value::<u16>(pc).unwrap_or(0);
    let word = if low & 3 == 3 {
        let high = mm::user::read_value::<u16>(pc + 2).unwrap_or(0);
        u32::from(high) << 16 | u32::from(low)
    } else {
        u32::from(low)
    };
    csr::interrupts_off();
    if word & 3 != 3 {
        // C.FLD, C.FLDSP, C.FSD, C.FSDSP: quadrants 0 and 2, function 1 and 5.
        return word & 3 != 1 && matches!(word >> 13 & 7, 1 | 5);
    }
    let opcode = word & 0x7f;
    let float_register = opcode == SYSTEM && matches!(word >> 20, 1..=3);
    matches!(opcode, LOAD_FP | STORE_FP | OP_FP) || FUSED.contains(&opcode) || float_register
}

fn interrupt(cause: Cause) {
    match cause {
        Cause::Software => clear_software_interrupt(),
        Cause::Timer => sched::tick(),
        _ => plic::handle_pending(),
    }
}

/// A trap in the kernel, other than one from the user copies.
pub fn from_kernel(frame: &mut TrapFrame, trap: &Trap) {
    match trap.cause {
        Cause::Software | Cause::Timer | Cause::External => interrupt(trap.cause),
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
        "kernel trap: scause={:#x} sepc={:#x} stval={:#x} sp={:#x}",
        trap.code,
        frame.pc,
        trap.value,
        frame.sp()
    );
}

/// A fault of the kernel's user copies: true if the access may be tried again.
pub fn user_copy_fault(address: u64, access: Access) -> bool {
    let Some(process) = sched::try_current() else {
        return false;
    };
    csr::interrupts_on();
    let mended = mm::resolve(&process, address, access);
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
