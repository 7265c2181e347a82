//! Processor-specific code: all assembly and all control and status registers.

pub mod riscv64;
pub use riscv64::*;
