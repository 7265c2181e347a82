//! What the kernel tells of itself: to programs that ask, and on the terminal when nothing else can.

pub mod meminfo;
pub mod memory;
pub mod state;
