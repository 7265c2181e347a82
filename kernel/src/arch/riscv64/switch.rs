//! Context switch between kernel stacks.

use super::relaxed::RelaxedUsize;
use core::arch::naked_asm;

/// The callee-saved registers of a context that is not running.
#[repr(C)]
pub struct Context {
    ra: RelaxedUsize,
    sp: RelaxedUsize,
    s: [RelaxedUsize; 12],
}

impl Context {
    /// An empty context, to be filled by [`switch`].
    pub const fn new() -> Context {
        Context {
            ra: RelaxedUsize::new(0),
            sp: RelaxedUsize::new(0),
            s: [const { RelaxedUsize::new(0) }; 12],
        }
    }

    /// A context that calls `entry(argument)` on the stack that ends at `sp`, then returns to user mode.
    pub fn start(entry: extern "C" fn(usize), argument: usize, sp: usize) -> Context {
        let context = Context::new();
        context.ra.set(begin as *const () as usize);
        context.sp.set(sp);
        context.s[1].set(entry as usize);
        context.s[2].set(argument);
        context
    }

    /// The frame pointer. Meaningless while the context runs.
    pub fn frame_pointer(&self) -> usize {
        self.s[0].get()
    }
}

/// Saves the running context in `from` and resumes `to`.
///
/// # Safety
/// Interrupts are disabled. `to` was saved by this function or made by [`Context::start`], runs on no hart, and
/// its stack is mapped. Both contexts stay valid until they have been resumed. The caller is resumed through
/// `from` only.
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

/// First code of a new context: calls its entry function, then returns to user mode with the trap frame at the
/// top of the stack.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!(
        "mv a0, s2",
        "jalr s1",
        "j {return_to_user}",
        return_to_user = sym super::trap::return_to_user,
    )
}
