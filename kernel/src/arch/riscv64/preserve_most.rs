//! Calls that preserve all registers of the caller but one, like LLVM's `preserve_most` calling convention. A
//! fast path that calls its slow path this way saves no registers and needs no stack frame.

use core::arch::{asm, naked_asm};

/// A function to call with this convention.
pub trait PreserveMost {
    /// Type of the first argument.
    type Argument;
    /// The function. `at` is the return address of the call.
    extern "C" fn run(first: &Self::Argument, second: usize, at: usize);
}

/// Calls [`PreserveMost::run`].
#[inline(always)]
pub fn call<D: PreserveMost>(first: &D::Argument, second: usize) {
    // SAFETY: `entry` returns with all registers but `t0` as they were. Memory may change. `run` gets the
    // reference as C passes it.
    unsafe {
        asm!("call t0, {entry}", entry = sym entry::<D>, in("a0") first, in("a1") second,
             out("t0") _);
    }
}

/// Saves the caller-saved registers around `run`; returns to `t0`.
#[unsafe(naked)]
unsafe extern "C" fn entry<D: PreserveMost>() {
    naked_asm!(
        "addi sp, sp, -128",
        "sd ra, 0(sp)",
        "sd t0, 8(sp)",
        "sd t1, 16(sp)",
        "sd t2, 24(sp)",
        "sd t3, 32(sp)",
        "sd t4, 40(sp)",
        "sd t5, 48(sp)",
        "sd t6, 56(sp)",
        "sd a0, 64(sp)",
        "sd a1, 72(sp)",
        "sd a2, 80(sp)",
        "sd a3, 88(sp)",
        "sd a4, 96(sp)",
        "sd a5, 104(sp)",
        "sd a6, 112(sp)",
        "sd a7, 120(sp)",
        "mv a2, t0",
        "call {run}",
        "ld ra, 0(sp)",
        "ld t0, 8(sp)",
        "ld t1, 16(sp)",
        "ld t2, 24(sp)",
        "ld t3, 32(sp)",
        "ld t4, 40(sp)",
        "ld t5, 48(sp)",
        "ld t6, 56(sp)",
        "ld a0, 64(sp)",
        "ld a1, 72(sp)",
        "ld a2, 80(sp)",
        "ld a3, 88(sp)",
        "ld a4, 96(sp)",
        "ld a5, 104(sp)",
        "ld a6, 112(sp)",
        "ld a7, 120(sp)",
        "addi sp, sp, 128",
        "jr t0",
        run = sym D::run,
    )
}
