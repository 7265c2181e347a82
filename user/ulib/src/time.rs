//! Clocks.

use core::arch::asm;

/// Ticks since boot, a tenth of a second each.
pub fn uptime() -> u64 {
    crate::sys::uptime() as u64
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub fn $name() -> u64 {
            let value: u64;
            // Not `nomem`: memory accesses must not be reordered across it.
            // SAFETY: reads a counter that programs may read.
            unsafe { asm!(concat!(stringify!($name), " {}"), out(reg) value, options(nostack)) };
            value
        }
    };
}

counter! {
    /// The machine's clock, in platform-specific units.
    rdtime
}
counter! {
    /// This hart's cycles.
    rdcycle
}
counter! {
    /// This hart's retired instructions.
    rdinstret
}
