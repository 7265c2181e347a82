//! Panics, backtraces and provoked faults.

pub mod backtrace;
mod panic;
pub mod provoke;

pub use panic::set_fault_frame;
