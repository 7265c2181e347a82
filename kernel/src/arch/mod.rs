//! What depends on the processor: all assembly and all control registers.

pub mod riscv64;
pub use riscv64::*;
