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
                /// The new value must leave the running code mapped, and its stack and handlers valid.
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
                /// Clears these bits and gives the old value.
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
    /// Which interrupts are let through.
    sie = "sie";
    /// Which interrupts are pending.
    sip = "sip";
    /// Where traps enter.
    stvec = "stvec";
    /// A word for the trap entry.
    sscratch = "sscratch";
    /// Where the trap came from.
    sepc = "sepc";
    /// Why the trap came.
    scause = "scause";
    /// The address the trap is about.
    stval = "stval";
    /// Root page table.
    satp = "satp";
    /// Which counters user mode may read.
    scounteren = "scounteren";
    /// When the next timer interrupt comes (Sstc).
    stimecmp = "0x14d";
    /// Real time.
    time = "time";
    /// Instructions that this hart has finished.
    instret = "instret";
}

/// `sstatus`: interrupts on.
pub const SSTATUS_SIE: usize = 1 << 1;
/// `sstatus`: interrupts on after `sret`.
pub const SSTATUS_SPIE: usize = 1 << 5;
/// `sstatus`: the trap came from supervisor mode.
pub const SSTATUS_SPP: usize = 1 << 8;
/// `sstatus`: the two bits of the floating point state.
pub const SSTATUS_FS: usize = 3 << 13;
/// Floating point registers hold something and may be changed unseen until the next trap.
pub const SSTATUS_FS_DIRTY: usize = 3 << 13;
/// Floating point registers are as they were last loaded.
pub const SSTATUS_FS_CLEAN: usize = 2 << 13;
/// `sstatus`: loads and stores may reach user pages.
pub const SSTATUS_SUM: usize = 1 << 18;
/// `sstatus`: loads may read what can only be executed.
pub const SSTATUS_MXR: usize = 1 << 19;
/// `sie`, `sip`: software interrupt.
pub const INTERRUPT_SOFTWARE: usize = 1 << 1;
/// `sie`, `sip`: timer interrupt.
pub const INTERRUPT_TIMER: usize = 1 << 5;
/// `sie`, `sip`: external interrupt.
pub const INTERRUPT_EXTERNAL: usize = 1 << 9;

/// Turns interrupts off on this hart; true if they were on.
#[inline(always)]
pub fn interrupts_off() -> bool {
    // SAFETY: with interrupts off the running code simply goes on.
    unsafe { sstatus::clear(SSTATUS_SIE) & SSTATUS_SIE != 0 }
}

/// Turns interrupts on on this hart.
#[inline(always)]
pub fn interrupts_on() {
    // SAFETY: the trap vector is set before anything turns interrupts on.
    unsafe { sstatus::set(SSTATUS_SIE) };
}

/// Stops the hart until an interrupt is pending, also one that is not let through.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: `wfi` has no effect on memory or registers.
    unsafe { asm!("wfi", options(nomem, nostack)) };
}
