//! Leaving one kernel stack for another.

use super::word::Word;
use core::arch::naked_asm;

/// What the calling convention lets a function expect unchanged over a call.
#[repr(C)]
pub struct Context {
    ra: Word,
    sp: Word,
    s: [Word; 12],
}

impl Context {
    /// A context not run yet.
    pub const fn new() -> Context {
        Context {
            ra: Word::new(0),
            sp: Word::new(0),
            s: [const { Word::new(0) }; 12],
        }
    }

    /// A context that begins in [`begin`] on the stack that ends at `sp`, with `entry(argument)`.
    pub fn start(entry: extern "C" fn(usize), argument: usize, sp: usize) -> Context {
        let context = Context::new();
        context.ra.set(begin as *const () as usize);
        context.sp.set(sp);
        context.s[1].set(entry as usize);
        context.s[2].set(argument);
        context
    }

    /// The frame pointer of a context that is not running; of one that is, any value.
    pub fn frame_pointer(&self) -> usize {
        self.s[0].get()
    }
}

/// Stores the running context in `from` and goes on with `to`.
///
/// # Safety
/// Interrupts are off; `to` was stored by this function or made by [`Context::start`] and is not
/// running anywhere; its stack is mapped. Both contexts stay where they are until they are switched from or to
/// again, and `from` is the place where the caller will be looked for.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(from: *const Context, to: *const Context) {
    naked_asm!(
        "sd ra, 0(a0)",
        "sd sp, 8(a0)",
        "sd s0, 16(a0)",
        "sd s1, 24(a0)",
        "sd s2, 32(a0)",
        "sd s3, 40(a0)",
        "sd s4, 48(a0)",
        "sd s5, 56(a0)",
        "sd s6, 64(a0)",
        "sd s7, 72(a0)",
        "sd s8, 80(a0)",
        "sd s9, 88(a0)",
        "sd s10, 96(a0)",
        "sd s11, 104(a0)",
        "ld ra, 0(a1)",
        "ld sp, 8(a1)",
        "ld s0, 16(a1)",
        "ld s1, 24(a1)",
        "ld s2, 32(a1)",
        "ld s3, 40(a1)",
        "ld s4, 48(a1)",
        "ld s5, 56(a1)",
        "ld s6, 64(a1)",
        "ld s7, 72(a1)",
        "ld s8, 80(a1)",
        "ld s9, 88(a1)",
        "ld s10, 96(a1)",
        "ld s11, 104(a1)",
        "ret",
    )
}

/// First code of a new context: calls its entry, and when that returns goes to user mode with the
/// trap frame at the top of the stack.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!(
        "mv a0, s2",
        "jalr s1",
        "j {return_to_user}",
        return_to_user = sym super::trap::return_to_user,
    )
}
