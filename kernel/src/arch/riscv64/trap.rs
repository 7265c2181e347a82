//! The way into the kernel and back: one entry for calls, faults and interrupts.
//!
//! `sscratch` tells where a trap came from: the hart's structure while in user mode, 0 in the
//! kernel. Registers are saved on the kernel stack; for a trap from user mode that is the top of
//! the process's stack, so that its frame is always in the same place.

use super::csr::{self, SSTATUS_FS, SSTATUS_SPIE, SSTATUS_SPP};
use super::word::Word;
use super::{hart, usercopy};
use core::arch::naked_asm;

/// What a trap saves. Who handles the trap may be preempted, and the next to handle something for the same
/// thread has the same frame; others may look at it.
#[repr(C)]
#[derive(Clone)]
pub struct TrapFrame {
    /// Registers x1 to x31; x`n` is at `n - 1`.
    registers: [Word; 31],
    /// Where the trap came from and `sret` goes to.
    pc: Word,
    /// `sstatus` at the trap, and after `sret`.
    status: Word,
    padding: usize,
}

const FRAME_SIZE: usize = size_of::<TrapFrame>();
const _: () = assert!(FRAME_SIZE == 34 * 8 && FRAME_SIZE.is_multiple_of(16));

impl TrapFrame {
    /// The frame that starts a program: at `entry`, with this stack and two arguments, all other
    /// registers zero.
    pub fn user(entry: u64, sp: u64, arguments: [u64; 2]) -> TrapFrame {
        let mut registers = [0; 31];
        registers[1] = sp as usize;
        registers[9] = arguments[0] as usize;
        registers[10] = arguments[1] as usize;
        TrapFrame {
            registers: registers.map(Word::new),
            pc: Word::new(entry as usize),
            status: Word::new(SSTATUS_SPIE),
            padding: 0,
        }
    }

    /// Takes what another frame has.
    pub fn set(&self, other: &TrapFrame) {
        for (to, from) in self.registers.iter().zip(&other.registers) {
            to.set(from.get());
        }
        self.pc.set(other.pc.get());
        self.status.set(other.status.get());
    }

    /// Where the trap came from and `sret` goes to.
    pub fn pc(&self) -> usize {
        self.pc.get()
    }

    /// Goes on behind the call, which has no shorter form.
    pub fn skip_call(&self) {
        self.pc.set(self.pc.get() + 4);
    }

    /// The call's number (`a7`).
    pub fn call_number(&self) -> u64 {
        self.registers[16].get() as u64
    }

    /// The call's arguments (`a0` to `a5`).
    pub fn arguments(&self) -> [u64; 6] {
        core::array::from_fn(|i| self.registers[9 + i].get() as u64)
    }

    /// Sets what the call gives back (`a0`).
    pub fn set_result(&self, value: u64) {
        self.registers[9].set(value as usize);
    }

    /// True if the trap came from the kernel.
    pub fn is_of_kernel(&self) -> bool {
        self.status.get() & SSTATUS_SPP != 0
    }

    /// Frame pointer and return address, where a backtrace goes on.
    pub fn frame_pointer(&self) -> usize {
        self.registers[7].get()
    }

    /// Stack pointer at the trap.
    pub fn sp(&self) -> usize {
        self.registers[1].get()
    }

    /// State of the floating point unit in user mode, as bits of `sstatus`.
    pub fn float_state(&self) -> usize {
        self.status.get() & SSTATUS_FS
    }

    /// Sets the state of the floating point unit after the return to user mode.
    pub fn set_float_state(&self, state: usize) {
        self.status.set(self.status.get() & !SSTATUS_FS | state);
    }
}

/// Why a trap came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An interrupt from another hart.
    Software,
    /// The clock.
    Timer,
    /// A device.
    External,
    /// `ecall` in user mode.
    Call,
    /// A page fault.
    PageFault(vm::Access),
    /// An instruction that the hart does not know, or that is switched off.
    IllegalInstruction,
    /// Anything else, as `scause` has it.
    Other(usize),
}

impl Cause {
    fn from_register(scause: usize) -> Cause {
        const INTERRUPT: usize = 1 << 63;
        match scause {
            n if n == INTERRUPT | 1 => Cause::Software,
            n if n == INTERRUPT | 5 => Cause::Timer,
            n if n == INTERRUPT | 9 => Cause::External,
            2 => Cause::IllegalInstruction,
            8 => Cause::Call,
            12 => Cause::PageFault(vm::Access::Execute),
            13 => Cause::PageFault(vm::Access::Read),
            15 => Cause::PageFault(vm::Access::Write),
            n => Cause::Other(n),
        }
    }
}

/// A trap as the rest of the kernel sees it.
pub struct Trap {
    /// Why.
    pub cause: Cause,
    /// `scause` itself.
    pub code: usize,
    /// The address it is about (`stval`).
    pub value: usize,
}

impl Trap {
    fn read() -> Trap {
        let code = csr::scause::read();
        Trap {
            cause: Cause::from_register(code),
            code,
            value: csr::stval::read(),
        }
    }

    /// What was tried, in words that go before the value.
    pub fn deed(&self) -> &'static str {
        match self.code {
            0 | 1 | 12 => "execution at",
            4 | 5 | 13 => "read of",
            6 | 7 | 15 => "write to",
            2 => "illegal instruction",
            _ => "trap with",
        }
    }
}

/// Prepares this hart for traps; the kernel's half of the work is done in `trap::…` of the crate.
pub fn init() {
    // SAFETY: the entry below keeps its promise to save everything; sscratch 0 says "in the
    // kernel"; user programs may read time, cycle and instret.
    unsafe {
        csr::sscratch::write(0);
        csr::stvec::write(entry as *const () as usize);
        csr::scounteren::write(7);
        csr::sie::write(csr::INTERRUPT_SOFTWARE | csr::INTERRUPT_TIMER | csr::INTERRUPT_EXTERNAL);
        csr::sstatus::clear(SSTATUS_FS | csr::SSTATUS_SUM | csr::SSTATUS_MXR);
    }
}

/// Acknowledges an interrupt from another hart.
pub fn clear_software_interrupt() {
    // SAFETY: clearing the pending bit has no other effect.
    unsafe { csr::sip::clear(csr::INTERRUPT_SOFTWARE) };
}

/// Where a thread's frame is: at the top of its kernel stack.
pub fn frame_at(stack_top: usize) -> *mut TrapFrame {
    (stack_top - FRAME_SIZE) as *mut TrapFrame
}

// What the kernel does on a trap. It stands above this folder, which therefore knows the symbols alone.
unsafe extern "Rust" {
    /// A trap from user mode; returns when the process goes on.
    safe fn trap_from_user(frame: &TrapFrame, trap: &Trap);
    /// A trap in the kernel, other than one from the user copies.
    safe fn trap_from_kernel(frame: &TrapFrame, trap: &Trap);
    /// A fault of the user copies: true if the access may be tried again.
    safe fn trap_from_user_copy(address: u64, access: vm::Access) -> bool;
    /// The kernel stack is used up.
    safe fn trap_stack_overflow(pc: usize, sp: usize, frame_pointer: usize, address: usize) -> !;
}

extern "C" fn from_user(frame: &TrapFrame) {
    trap_from_user(frame, &Trap::read());
}

extern "C" fn from_kernel(frame: &TrapFrame) {
    let trap = Trap::read();
    debug_assert!(
        frame.is_of_kernel(),
        "trap from user mode on the kernel's path"
    );
    if let Cause::PageFault(access) = trap.cause
        && let Some(failed) = usercopy::on_failure(frame.pc())
    {
        if !trap_from_user_copy(trap.value as u64, access) {
            frame.pc.set(failed);
        }
        return;
    }
    trap_from_kernel(frame, &trap);
}

extern "C" fn stack_overflow(sp: usize, frame_pointer: usize) -> ! {
    trap_stack_overflow(csr::sepc::read(), sp, frame_pointer, csr::stval::read())
}

macro_rules! registers {
    ($op:literal) => {
        concat!(
            $op,
            " x1, 0(sp)\n",
            $op,
            " x3, 16(sp)\n",
            $op,
            " x5, 32(sp)\n",
            $op,
            " x6, 40(sp)\n",
            $op,
            " x7, 48(sp)\n",
            $op,
            " x8, 56(sp)\n",
            $op,
            " x9, 64(sp)\n",
            $op,
            " x10, 72(sp)\n",
            $op,
            " x11, 80(sp)\n",
            $op,
            " x12, 88(sp)\n",
            $op,
            " x13, 96(sp)\n",
            $op,
            " x14, 104(sp)\n",
            $op,
            " x15, 112(sp)\n",
            $op,
            " x16, 120(sp)\n",
            $op,
            " x17, 128(sp)\n",
            $op,
            " x18, 136(sp)\n",
            $op,
            " x19, 144(sp)\n",
            $op,
            " x20, 152(sp)\n",
            $op,
            " x21, 160(sp)\n",
            $op,
            " x22, 168(sp)\n",
            $op,
            " x23, 176(sp)\n",
            $op,
            " x24, 184(sp)\n",
            $op,
            " x25, 192(sp)\n",
            $op,
            " x26, 200(sp)\n",
            $op,
            " x27, 208(sp)\n",
            $op,
            " x28, 216(sp)\n",
            $op,
            " x29, 224(sp)\n",
            $op,
            " x30, 232(sp)\n",
            $op,
            " x31, 240(sp)\n",
        )
    };
}

/// Every trap enters here, on whatever stack the hart is on, with interrupts off.
#[unsafe(naked)]
unsafe extern "C" fn entry() {
    naked_asm!(
        ".balign 4",
        "csrrw tp, sscratch, tp",
        "bnez tp, 2f",
        // From the kernel. A kernel stack's slot has its hole in the lower half: a frame that
        // would begin there means that the stack is used up. `tp` is free for the moment.
        "addi sp, sp, -{frame}",
        "srai tp, sp, 30",
        "addi tp, tp, 1",
        "bnez tp, 1f",
        "srli tp, sp, {stack_bit}",
        "andi tp, tp, 1",
        "beqz tp, 3f",
        "1:",
        "csrrw tp, sscratch, zero",
        registers!("sd"),
        "addi t0, sp, {frame}",
        "sd t0, 8(sp)",
        "sd tp, 24(sp)",
        "csrr t0, sepc",
        "csrr t1, sstatus",
        "sd t0, 248(sp)",
        "sd t1, 256(sp)",
        "li t0, {sum}", // the trap may have come from the middle of a user copy
        "csrc sstatus, t0",
        "mv a0, sp",
        "call {from_kernel}",
        "ld t0, 248(sp)",
        "ld t1, 256(sp)",
        "csrw sepc, t0",
        "csrw sstatus, t1",
        registers!("ld"),
        // The context may have moved to another hart: its `tp` is that hart's, not the saved one.
        "ld sp, 8(sp)",
        "sret",
        // From user mode. `tp` is the hart's structure.
        "2:",
        "sd sp, {user_sp}(tp)",
        "ld sp, {kernel_sp}(tp)",
        "addi sp, sp, -{frame}",
        registers!("sd"),
        "ld t0, {user_sp}(tp)",
        "csrrw t1, sscratch, zero",
        "sd t0, 8(sp)",
        "sd t1, 24(sp)",
        "csrr t0, sepc",
        "csrr t1, sstatus",
        "sd t0, 248(sp)",
        "sd t1, 256(sp)",
        "li s0, 0",
        "mv a0, sp",
        "call {from_user}",
        "j {return_to_user}",
        // No stack left.
        "3:",
        "csrrw tp, sscratch, zero",
        "mv a0, sp",
        "mv a1, s0",
        "lla sp, boot_stack_end",
        "li s0, 0",
        "call {stack_overflow}",
        frame = const FRAME_SIZE,
        sum = const csr::SSTATUS_SUM,
        stack_bit = const super::layout::STACK_SIZE.trailing_zeros(),
        user_sp = const hart::USER_SP,
        kernel_sp = const hart::KERNEL_SP,
        from_kernel = sym from_kernel,
        from_user = sym from_user,
        stack_overflow = sym stack_overflow,
        return_to_user = sym return_to_user,
    )
}

/// Goes to user mode with the frame at `sp`, which is the top of the process's kernel stack.
/// Interrupts are off.
///
/// # Safety
/// Jumped to, not called, with `sp` on a valid frame.
#[unsafe(naked)]
pub unsafe extern "C" fn return_to_user() {
    naked_asm!(
        "ld t0, 248(sp)",
        "ld t1, 256(sp)",
        "csrw sepc, t0",
        "csrw sstatus, t1",
        "csrw sscratch, tp",
        registers!("ld"),
        "ld x4, 24(sp)",
        "ld x2, 8(sp)",
        "sret",
    )
}
