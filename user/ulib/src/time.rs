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
            // Accesses to memory stay on the side where they stand: hence no `nomem`.
            // SAFETY: reads a counter that programs may read.
            unsafe { asm!(concat!(stringify!($name), " {}"), out(reg) value, options(nostack)) };
            value
        }
    };
}

counter! {
    /// The machine's clock, in units that the board chooses.
    rdtime
}
counter! {
    /// Cycles of this hart.
    rdcycle
}
counter! {
    /// Instructions that this hart has finished.
    rdinstret
}
