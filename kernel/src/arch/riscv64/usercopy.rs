//! The only kernel code that accesses user memory.
//!
//! `sstatus.SUM` is set here and nowhere else. A page fault in these routines is resolved like one of the
//! program. If that fails, the trap handler resumes at the routine's fixup address, as with Linux's exception
//! tables, and the routine returns how much is missing.

use super::csr::SSTATUS_SUM;
use core::arch::naked_asm;

/// Copies `length` bytes from or to user memory; returns the number of bytes not copied. May sleep: the caller
/// is a process and holds no spin lock.
///
/// # Safety
/// The kernel side is valid for `length` bytes; the user side lies in the user half.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(to: usize, from: usize, length: usize) -> usize {
    naked_asm!(
        ".globl user_copy_start",
        "user_copy_start:",
        "li t6, {sum}",
        "csrs sstatus, t6",
        "add t5, a0, a2", // end of the destination
        "xor t0, a0, a1",
        "andi t0, t0, 7",
        "bnez t0, 4f", // different alignment: copy bytes
        "1:",          // head, up to a multiple of eight
        "andi t0, a0, 7",
        "beqz t0, 2f",
        "bgeu a0, t5, 5f",
        "lbu t1, 0(a1)",
        "sb t1, 0(a0)",
        "addi a0, a0, 1",
        "addi a1, a1, 1",
        "j 1b",
        "2:", // 64 bytes per iteration
        "sub t4, t5, a0", // remaining bytes; comparing with the end minus 64 would wrap near 0
        "sltiu t4, t4, 64",
        "bnez t4, 3f",
        "ld t0, 0(a1)",
        "ld t1, 8(a1)",
        "ld t2, 16(a1)",
        "ld t3, 24(a1)",
        "ld a3, 32(a1)",
        "ld a4, 40(a1)",
        "ld a5, 48(a1)",
        "ld a6, 56(a1)",
        "sd t0, 0(a0)",
        "sd t1, 8(a0)",
        "sd t2, 16(a0)",
        "sd t3, 24(a0)",
        "sd a3, 32(a0)",
        "sd a4, 40(a0)",
        "sd a5, 48(a0)",
        "sd a6, 56(a0)",
        "addi a0, a0, 64",
        "addi a1, a1, 64",
        "j 2b",
        "3:", // 8 bytes per iteration
        "sub t4, t5, a0",
        "sltiu t4, t4, 8",
        "bnez t4, 4f",
        "ld t0, 0(a1)",
        "sd t0, 0(a0)",
        "addi a0, a0, 8",
        "addi a1, a1, 8",
        "j 3b",
        "4:",
        "bgeu a0, t5, 5f",
        "lbu t0, 0(a1)",
        "sb t0, 0(a0)",
        "addi a0, a0, 1",
        "addi a1, a1, 1",
        "j 4b",
        "5:",
        ".globl user_copy_fixup",
        "user_copy_fixup:",
        "li t6, {sum}",
        "csrc sstatus, t6",
        "sub a0, t5, a0",
        "ret",
        ".globl user_copy_end",
        "user_copy_end:",
        sum = const SSTATUS_SUM,
    )
}

/// Copies a zero-terminated string from user memory, at most `length` bytes including the zero byte. Returns
/// `length` minus the length of the string without its zero byte, so at least 1; 0 if the string does not
/// fit or cannot be read.
///
/// # Safety
/// As for [`copy`].
#[unsafe(naked)]
pub unsafe extern "C" fn copy_string(to: usize, from: usize, length: usize) -> usize {
    naked_asm!(
        ".globl user_string_start",
        "user_string_start:",
        "li t6, {sum}",
        "csrs sstatus, t6",
        "1:",
        "beqz a2, 2f",
        "lbu t0, 0(a1)",
        "sb t0, 0(a0)",
        "beqz t0, 3f",
        "addi a0, a0, 1",
        "addi a1, a1, 1",
        "addi a2, a2, -1",
        "j 1b",
        ".globl user_string_fixup",
        "user_string_fixup:",
        "2:",
        "li a2, 0",
        "3:",
        "li t6, {sum}",
        "csrc sstatus, t6",
        "mv a0, a2",
        "ret",
        ".globl user_string_end",
        "user_string_end:",
        sum = const SSTATUS_SUM,
    )
}

unsafe extern "C" {
    static user_copy_start: u8;
    static user_copy_fixup: u8;
    static user_copy_end: u8;
    static user_string_start: u8;
    static user_string_fixup: u8;
    static user_string_end: u8;
}

/// The address to resume at after a fault at `pc` that cannot be resolved; `None` if `pc` is not in a user
/// copy.
pub fn fixup(pc: usize) -> Option<usize> {
    let ranges = [
        (
            &raw const user_copy_start,
            &raw const user_copy_end,
            &raw const user_copy_fixup,
        ),
        (
            &raw const user_string_start,
            &raw const user_string_end,
            &raw const user_string_fixup,
        ),
    ];
    let found = ranges
        .iter()
        .find(|(start, end, _)| (*start as usize..*end as usize).contains(&pc));
    found.map(|(_, _, fixup)| *fixup as usize)
}
