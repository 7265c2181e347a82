//! Trap entry and exit: one entry point for system calls, faults and interrupts.
//!
//! `sscratch` is the address of the hart's [`hart::Hart`] in user mode and 0 in the kernel, which tells the two
//! apart. Registers are saved on the kernel stack. The frame of a trap from user mode is always at the top of the
//! thread's stack.

use super::csr::{self, SSTATUS_FS, SSTATUS_SPIE, SSTATUS_SPP};
use super::relaxed::RelaxedUsize;
use super::{hart, usercopy};
use core::arch::naked_asm;

/// The registers saved at a trap. Other harts may read a thread's frame while its handler changes it, so the
/// fields are atomic.
#[repr(C)]
#[derive(Clone)]
pub struct TrapFrame {
    /// Registers x1 to x31; x`n` is at `n - 1`.
    registers: [RelaxedUsize; 31],
    /// `sepc`: the program counter at the trap, and after `sret`.
    pc: RelaxedUsize,
    /// `sstatus` at the trap; `sret` restores it.
    status: RelaxedUsize,
    padding: usize,
}

const FRAME_SIZE: usize = size_of::<TrapFrame>();
const _: () = assert!(FRAME_SIZE == 34 * 8 && FRAME_SIZE.is_multiple_of(16));

impl TrapFrame {
    /// The initial frame of a program: it starts at `entry`, with this stack pointer and two arguments. All other
    /// registers are zero.
    pub fn user(entry: u64, sp: u64, arguments: [u64; 2]) -> TrapFrame {
        let mut registers = [0; 31];
        registers[1] = sp as usize;
        registers[9] = arguments[0] as usize;
        registers[10] = arguments[1] as usize;
        TrapFrame {
            registers: registers.map(RelaxedUsize::new),
            pc: RelaxedUsize::new(entry as usize),
            status: RelaxedUsize::new(SSTATUS_SPIE),
            padding: 0,
        }
    }

    /// Copies another frame.
    pub fn set(&self, other: &TrapFrame) {
        for (to, from) in self.registers.iter().zip(&other.registers) {
            to.set(from.get());
        }
        self.pc.set(other.pc.get());
        self.status.set(other.status.get());
    }

    /// The program counter at the trap, and after `sret`.
    pub fn pc(&self) -> usize {
        self.pc.get()
    }

    /// Advances past the `ecall`, which has no compressed form.
    pub fn skip_ecall(&self) {
        self.pc.set(self.pc.get() + 4);
    }

    /// The system call number (`a7`).
    pub fn syscall_number(&self) -> u64 {
        self.registers[16].get() as u64
    }

    /// The system call arguments (`a0` to `a5`).
    pub fn arguments(&self) -> [u64; 6] {
        core::array::from_fn(|i| self.registers[9 + i].get() as u64)
    }

    /// Sets the system call's result (`a0`).
    pub fn set_result(&self, value: u64) {
        self.registers[9].set(value as usize);
    }

    /// Whether the trap came from the kernel.
    pub fn is_kernel_mode(&self) -> bool {
        self.status.get() & SSTATUS_SPP != 0
    }

    /// Frame pointer (`s0`) at the trap.
    pub fn frame_pointer(&self) -> usize {
        self.registers[7].get()
    }

    /// Stack pointer at the trap.
    pub fn sp(&self) -> usize {
        self.registers[1].get()
    }

    /// State of the floating point unit in user mode: the FS bits of `sstatus`.
    pub fn float_state(&self) -> usize {
        self.status.get() & SSTATUS_FS
    }

    /// Sets the state of the floating point unit in user mode.
    pub fn set_float_state(&self, state: usize) {
        self.status.set(self.status.get() & !SSTATUS_FS | state);
    }
}

/// Cause of a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Software interrupt: an inter-processor interrupt.
    Software,
    /// Timer interrupt.
    Timer,
    /// External interrupt: a device.
    External,
    /// `ecall` in user mode.
    Syscall,
    /// A page fault.
    PageFault(vm::Access),
    /// An illegal or disabled instruction.
    IllegalInstruction,
    /// Anything else: the value of `scause`.
    Other(usize),
}

impl Cause {
    fn from_scause(scause: usize) -> Cause {
        const INTERRUPT: usize = 1 << 63;
        match scause {
            n if n == INTERRUPT | 1 => Cause::Software,
            n if n == INTERRUPT | 5 => Cause::Timer,
            n if n == INTERRUPT | 9 => Cause::External,
            2 => Cause::IllegalInstruction,
            8 => Cause::Syscall,
            12 => Cause::PageFault(vm::Access::Execute),
            13 => Cause::PageFault(vm::Access::Read),
            15 => Cause::PageFault(vm::Access::Write),
            n => Cause::Other(n),
        }
    }
}

/// A decoded trap.
pub struct Trap {
    /// Cause.
    pub cause: Cause,
    /// `scause`.
    pub code: usize,
    /// `stval`: for a page fault the faulting address.
    pub value: usize,
}

impl Trap {
    fn read() -> Trap {
        let code = csr::scause::read();
        Trap {
            cause: Cause::from_scause(code),
            code,
            value: csr::stval::read(),
        }
    }

    /// A phrase for the cause, to print before the value.
    pub fn description(&self) -> &'static str {
        match self.code {
            0 | 1 | 12 => "execution at",
            4 | 5 | 13 => "read of",
            6 | 7 | 15 => "write to",
            2 => "illegal instruction",
            _ => "trap with",
        }
    }
}

/// Sets this hart's trap vector, and enables its interrupts in `sie`.
pub fn init() {
    // SAFETY: `entry` saves all registers; sscratch 0 means "in the kernel"; scounteren lets user programs
    // read cycle, time and instret.
    unsafe {
        csr::sscratch::write(0);
        csr::stvec::write(entry as *const () as usize);
        csr::scounteren::write(7);
        csr::sie::write(csr::INTERRUPT_SOFTWARE | csr::INTERRUPT_TIMER | csr::INTERRUPT_EXTERNAL);
        csr::sstatus::clear(SSTATUS_FS | csr::SSTATUS_SUM | csr::SSTATUS_MXR);
    }
}

/// Acknowledges an inter-processor interrupt.
pub fn clear_software_interrupt() {
    // SAFETY: clearing the pending bit has no other effect.
    unsafe { csr::sip::clear(csr::INTERRUPT_SOFTWARE) };
}

/// The address of a thread's trap frame, at the top of its kernel stack.
pub fn trap_frame_at(stack_top: usize) -> *mut TrapFrame {
    (stack_top - FRAME_SIZE) as *mut TrapFrame
}

// The handlers, in `kernel/src/trap.rs`. That is a higher floor, so this one knows only their symbols.
unsafe extern "Rust" {
    /// A trap from user mode; returns to resume the process.
    safe fn trap_from_user(frame: &TrapFrame, trap: &Trap);
    /// A trap in the kernel, except page faults of user copies.
    safe fn trap_from_kernel(frame: &TrapFrame, trap: &Trap);
    /// A page fault of a user copy; returns true to retry the access.
    safe fn trap_from_user_copy(address: u64, access: vm::Access) -> bool;
    /// A kernel stack overflow.
    safe fn trap_stack_overflow(pc: usize, sp: usize, frame_pointer: usize, address: usize) -> !;
}

extern "C" fn from_user(frame: &TrapFrame) {
    trap_from_user(frame, &Trap::read());
}

extern "C" fn from_kernel(frame: &TrapFrame) {
    let trap = Trap::read();
    debug_assert!(
        frame.is_kernel_mode(),
        "trap from user mode on the kernel's path"
    );
    if let Cause::PageFault(access) = trap.cause
        && let Some(fixup) = usercopy::fixup(frame.pc())
    {
        if !trap_from_user_copy(trap.value as u64, access) {
            frame.pc.set(fixup);
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

/// The trap vector. Interrupts are disabled.
#[unsafe(naked)]
unsafe extern "C" fn entry() {
    naked_asm!(
        ".balign 4",
        "csrrw tp, sscratch, tp",
        "bnez tp, 2f",
        // From the kernel. The lower half of a kernel stack's slot is its guard: a frame that would
        // begin there is a stack overflow. `tp` is in sscratch and can be used.
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
        "li t0, {sum}", // a user copy has it set
        "csrc sstatus, t0",
        "mv a0, sp",
        "call {from_kernel}",
        "ld t0, 248(sp)",
        "ld t1, 256(sp)",
        "csrw sepc, t0",
        "csrw sstatus, t1",
        registers!("ld"),
        // `tp` is not restored: the thread may have moved to another hart.
        "ld sp, 8(sp)",
        "sret",
        // From user mode. `tp` points to this hart's `Hart`.
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
        // Stack overflow: continue on the boot stack.
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

/// Returns to user mode with the trap frame at `sp`, the top of the thread's kernel stack. Interrupts are
/// disabled.
///
/// # Safety
/// Reached by a jump, not by a call, with `sp` at a valid frame.
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
