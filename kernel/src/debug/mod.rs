//! What the kernel says when it cannot go on.

mod backtrace;
mod panic;
mod symbols;

pub use panic::set_panic_frame;
