//! What the kernel says of itself: when it cannot go on, and when it is asked.

pub mod backtrace;
mod panic;
pub mod provoke;

pub use panic::set_panic_frame;
