//! Control and status registers of supervisor mode (privileged specification, chapter 4).

use core::arch::asm;

macro_rules! csr {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $(
            $(#[$doc])*
            #[allow(dead_code)]
            pub mod $name {
                use core::arch::asm;
                /// Reads the register.
                #[inline(always)]
                pub fn read() -> usize {
                    let value: usize;
                    // SAFETY: reading a supervisor register changes nothing.
                    unsafe { asm!(concat!("csrr {}, ", $text), out(reg) value, options(nostack)) };
                    value
                }
                /// Writes the register.
                ///
                /// # Safety
                /// With the new value the running code and its stack are still mapped, and the trap
                /// handler is valid.
                #[inline(always)]
                pub unsafe fn write(value: usize) {
                    // SAFETY: the caller's promise.
                    unsafe { asm!(concat!("csrw ", $text, ", {}"), in(reg) value, options(nostack)) };
                }
                /// Sets these bits.
                ///
                /// # Safety
                /// As for `write`.
                #[inline(always)]
                pub unsafe fn set(bits: usize) {
                    // SAFETY: the caller's promise.
                    unsafe { asm!(concat!("csrs ", $text, ", {}"), in(reg) bits, options(nostack)) };
                }
                /// Clears these bits; returns the old value.
                ///
                /// # Safety
                /// As for `write`.
                #[inline(always)]
                pub unsafe fn clear(bits: usize) -> usize {
                    let old: usize;
                    // SAFETY: the caller's promise.
                    unsafe {
                        asm!(concat!("csrrc {}, ", $text, ", {}"), out(reg) old, in(reg) bits,
                             options(nostack));
                    }
                    old
                }
            }
        )*
    };
}

csr! {
    /// Status: interrupt enable, previous mode, access to user memory, floating point state.
    sstatus = "sstatus";
    /// Enabled interrupts.
    sie = "sie";
    /// Pending interrupts.
    sip = "sip";
    /// Trap vector.
    stvec = "stvec";
    /// Scratch register of the trap entry.
    sscratch = "sscratch";
    /// Program counter at the trap.
    sepc = "sepc";
    /// Cause of the trap.
    scause = "scause";
    /// Faulting address or instruction.
    stval = "stval";
    /// Paging mode, ASID and root page table.
    satp = "satp";
    /// Counters that user mode may read.
    scounteren = "scounteren";
    /// Timer compare register (Sstc).
    stimecmp = "0x14d";
    /// Real-time counter.
    time = "time";
    /// Retired instructions.
    instret = "instret";
}

/// `sstatus`: interrupts enabled.
pub const SSTATUS_SIE: usize = 1 << 1;
/// `sstatus`: interrupts enabled after `sret`.
pub const SSTATUS_SPIE: usize = 1 << 5;
/// `sstatus`: the trap came from supervisor mode.
pub const SSTATUS_SPP: usize = 1 << 8;
/// `sstatus`: the two bits of the floating point state.
pub const SSTATUS_FS: usize = 3 << 13;
/// Floating point registers differ from the saved copy.
pub const SSTATUS_FS_DIRTY: usize = 3 << 13;
/// Floating point registers equal the saved copy.
pub const SSTATUS_FS_CLEAN: usize = 2 << 13;
/// `sstatus`: loads and stores may reach user pages.
pub const SSTATUS_SUM: usize = 1 << 18;
/// `sstatus`: loads may read execute-only pages.
pub const SSTATUS_MXR: usize = 1 << 19;
/// `sie`, `sip`: software interrupt.
pub const INTERRUPT_SOFTWARE: usize = 1 << 1;
/// `sie`, `sip`: timer interrupt.
pub const INTERRUPT_TIMER: usize = 1 << 5;
/// `sie`, `sip`: external interrupt.
pub const INTERRUPT_EXTERNAL: usize = 1 << 9;

/// Disables interrupts on this hart; returns whether they were enabled.
#[inline(always)]
pub fn irq_disable() -> bool {
    // SAFETY: the running code does not depend on interrupts.
    unsafe { sstatus::clear(SSTATUS_SIE) & SSTATUS_SIE != 0 }
}

/// Enables interrupts on this hart.
#[inline(always)]
pub fn irq_enable() {
    // SAFETY: the trap vector is set before anything enables interrupts.
    unsafe { sstatus::set(SSTATUS_SIE) };
}

/// Stalls the hart until an enabled interrupt is pending, even with `SSTATUS_SIE` clear.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: `wfi` has no effect on memory or registers.
    unsafe { asm!("wfi", options(nomem, nostack)) };
}
